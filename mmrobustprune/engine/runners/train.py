"""Training as the config says, with nothing pruned."""

from __future__ import annotations

from mmengine.config import Config

from mmrobustprune.engine.bridge.runner import RebuildRunner
from mmrobustprune.engine.resuming.loops import make_resumable
from mmrobustprune.engine.resuming.resume import ResumableRunner
from mmrobustprune.engine.robustness.runner import SuiteTest
from mmrobustprune.registry import RUNNERS
from mmrobustprune.structure.record import Structure


@RUNNERS.register_module()
class TrainRunner(SuiteTest, RebuildRunner, ResumableRunner):
    """mmengine's Runner, except that a killed run resumes to the same weights.

    The checkpoint to start from may be pruned; without a GPU several processes train on the CPU.
    """

    @classmethod
    def adapt(cls, cfg: Config, structure: Structure | None) -> Config:
        return make_resumable(cfg)
