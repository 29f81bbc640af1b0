"""`CorruptionRunner` for the stock test scripts, `evaluate_configs` for everything else."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmrobustprune.engine.bridge.config import as_config
from mmrobustprune.engine.bridge.runner import RebuildRunner
from mmrobustprune.registry import RUNNERS
from mmrobustprune.structure.record import Structure

from .progress import Progress
from .suite import RobustEval, run_suite, run_suites

_serial = itertools.count()


class SuiteTest:
    """A mixin, named before the Runner: tests under the corruption suite of the config."""

    def test(self) -> dict:
        """The stock test, or the corruption suite where the config has `robust_eval`."""
        if self.cfg.get('robust_eval'):
            return run_suite(self, self.cfg.robust_eval)
        return super().test()


@RUNNERS.register_module()
class CorruptionRunner(SuiteTest, RebuildRunner):
    """Tests clean and under the suite in `robust_eval`, of dense and of pruned checkpoints."""

    @classmethod
    def adapt(cls, cfg: Config, structure: Structure | None) -> Config:
        if not cfg.get('robust_eval'):
            raise ValueError(
                "runner_type='mmrobustprune.CorruptionRunner' needs "
                "robust_eval=dict(suite='voc-c', severities=[3]); add it, or inherit "
                'recipes/corruptions.py.'
            )
        RobustEval.from_config(cfg.robust_eval)  # a wrong field is said before anything is built
        return cfg


def evaluate_config(
    config: str | Path | Config,
    checkpoint: str | Path,
    work_dir: str | Path,
    robust_eval: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    **overrides: Any,
) -> dict:
    """Evaluate any mmdet or mmpretrain config and checkpoint, clean and under a corruption suite.

    As `evaluate_configs` of one; returns its results.
    """
    return evaluate_configs([(config, checkpoint, work_dir)], robust_eval, progress, **overrides)[0]


def evaluate_configs(
    models: Sequence[tuple[str | Path | Config, str | Path, str | Path]],
    robust_eval: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    **overrides: Any,
) -> list[dict]:
    """Evaluate several models on the same test images; a corrupted image is made once for all.

    Args:
        models: of each its config (a path, or a config that was read; it is not changed), its
            checkpoint (dense or pruned) and a work dir for results.json and the finished cells.
        robust_eval: fields of `RobustEval`, over those that the first config has.
        progress: see `run_suites`.
        overrides: config keys in dotted form, and `launcher`.
    Returns:
        As `run_suites`.
    Raises:
        FileNotFoundError: a config or checkpoint is not there.
        TypeError, ValueError: as `run_suites`, and two models of one work dir.
    """
    folders = [str(Path(folder)) for _, _, folder in models]
    if len(set(folders)) < len(folders):
        raise ValueError(
            f'{len(folders)} models share {len(set(folders))} work dirs ({", ".join(folders)}); '
            'give each its own.'
        )
    configs = [_prepared(*model, overrides) for model in models]
    asked = {'suite': 'auto', **configs[0].get('robust_eval', {}), **(robust_eval or {})}
    runners = []
    for config in configs:
        config.robust_eval = asked
        runners.append(CorruptionRunner.from_cfg(config))
    return run_suites(runners, asked, progress)


def _prepared(
    config: str | Path | Config,
    checkpoint: str | Path,
    work_dir: str | Path,
    overrides: Mapping[str, Any],
) -> Config:
    config = as_config(config)
    config.merge_from_dict(dict(overrides))
    config.work_dir = str(work_dir)
    config.load_from = str(checkpoint)
    config.resume = False
    # mmengine tells Runners of one second apart by this name alone, also their scopes
    config.experiment_name = f'{config.get("experiment_name") or "robustness"}_{next(_serial)}'
    if config.get('default_scope') == 'mmpretrain' and config.get('test_dataloader'):
        # its own test script does the same
        config.test_dataloader.setdefault('collate_fn', dict(type='default_collate'))
    return config
