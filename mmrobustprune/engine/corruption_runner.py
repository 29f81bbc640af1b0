"""CorruptionRunner for the stock test scripts, `evaluate_config` for everything else."""
from __future__ import annotations

import copy
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmrobustprune.registry import RUNNERS
from mmrobustprune.surgery import Structure

from .base import RebuildRunner
from .command import load_config
from .robustness import RobustEval, run_suite
from .suite_progress import Progress

_serial = itertools.count()


@RUNNERS.register_module()
class CorruptionRunner(RebuildRunner):
    """Tests clean and under the suite in `robust_eval`, of dense and of pruned checkpoints."""

    @classmethod
    def adapt(cls, cfg: Config, structure: Structure | None) -> Config:
        if not cfg.get('robust_eval'):
            raise ValueError(
                "runner_type='mmrobustprune.CorruptionRunner' needs robust_eval=dict("
                "suite='voc-c', severities=[3]); add it, or inherit recipes/corruptions.py.")
        RobustEval.from_config(cfg.robust_eval)   # a wrong field is said before anything is built
        return cfg


def evaluate_config(config: str | Path | Config, checkpoint: str | Path, work_dir: str | Path,
                    robust_eval: Mapping[str, Any] | None = None, progress: Progress | None = None,
                    **overrides: Any) -> dict:
    """Evaluate any mmdet or mmpretrain config and checkpoint, clean and under a corruption suite.

    Args:
        config: a path, or a config that was read; it is not changed.
        checkpoint: dense or pruned weights.
        work_dir: for results.json and the finished cells.
        robust_eval: fields of `RobustEval`, over those that the config has.
        progress: see `run_suite`.
        overrides: config keys in dotted form, and `launcher`.
    Returns:
        As `run_suite`.
    Raises:
        FileNotFoundError: the config or the checkpoint is not there.
        TypeError, ValueError: as `run_suite`.
    """
    config = copy.deepcopy(config) if isinstance(config, Config) else load_config(str(config))
    config.merge_from_dict(overrides)
    config.work_dir, config.load_from, config.resume = str(work_dir), str(checkpoint), False
    # mmengine tells Runners of one second apart by this name alone, also their scopes
    config.experiment_name = f"{config.get('experiment_name') or 'robustness'}_{next(_serial)}"
    config.robust_eval = {'suite': 'auto', **config.get('robust_eval', {}), **(robust_eval or {})}
    if config.get('default_scope') == 'mmpretrain' and config.get('test_dataloader'):
        # its own test script does the same
        config.test_dataloader.setdefault('collate_fn', dict(type='default_collate'))
    return run_suite(CorruptionRunner.from_cfg(config), config.robust_eval, progress)
