"""PruneRunner: an existing config gains a pruning recipe and keeps its own training script."""

from __future__ import annotations

import copy

from mmengine.config import Config, ConfigDict

from mmrobustprune.engine.bridge.runner import RebuildRunner
from mmrobustprune.engine.resuming.loops import make_resumable
from mmrobustprune.engine.resuming.resume import ResumableRunner
from mmrobustprune.engine.robustness.runner import SuiteTest
from mmrobustprune.engine.robustness.suite import RobustEval
from mmrobustprune.recipes.build import build_recipe
from mmrobustprune.registry import RUNNERS
from mmrobustprune.structure.record import Structure

WRAPPERS = dict(
    OptimWrapper='mmrobustprune.SAMOptimWrapper', AmpOptimWrapper='mmrobustprune.AmpSAMOptimWrapper'
)


@RUNNERS.register_module()
class PruneRunner(SuiteTest, RebuildRunner, ResumableRunner):
    """Trains as the config says, under the recipe in `robust_prune`.

    A killed run resumes to the same weights.
    """

    @classmethod
    def check(cls, cfg: Config) -> None:
        if cfg.get('robust_prune') is None:
            raise ValueError(
                "runner_type='mmrobustprune.PruneRunner' needs robust_prune=dict(recipe='adasap', "
                'target=0.5); add it, or inherit configs/recipes/adasap.py.'
            )
        build_recipe(cfg.robust_prune)
        if cfg.get('robust_eval'):
            RobustEval.from_config(cfg.robust_eval)

    @classmethod
    def adapt(cls, cfg: Config, structure: Structure | None) -> Config:
        recipe = cfg.robust_prune
        if cfg.get('optim_wrapper') is None or cfg.get('train_cfg') is None:
            return cfg  # a config for testing only
        cfg = make_resumable(cfg)
        cfg.optim_wrapper = sharpness_wrapper(cfg.optim_wrapper)
        if cfg.get('compile'):  # mmengine would compile the step, which takes passes apart
            cfg.optim_wrapper.compile = cfg.pop('compile')
        hook = dict(recipe, type=build_recipe(recipe).hook)
        cfg.custom_hooks = [*(cfg.get('custom_hooks') or []), hook]
        return cfg


def sharpness_wrapper(config: dict) -> ConfigDict:
    """An optim_wrapper config of ours with what `config` says of optimizer, AMP and clipping.

    Args:
        config: the user's, which stays as it is.

    Raises:
        ValueError: a wrapper that records no forward call to repeat, or one with a rule or an
            ascent of its own.
    """
    config = ConfigDict(copy.deepcopy(dict(config)))
    name = str(config.get('type', 'OptimWrapper')).rsplit('.', 1)[-1]
    if 'optimizer' not in config:
        raise ValueError(
            f'optim_wrapper holds several optimizers or none ({", ".join(config)}), and two passes '
            'take one (OptimWrapperDict is not supported); give '
            'optim_wrapper=dict(optimizer=...).'
        )
    if config.get('ascent') is not None:
        raise ValueError(
            f'optim_wrapper.ascent={config.ascent!r} would not be used, as a recipe has one; '
            'say robust_prune=dict(ascent=...) instead.'
        )
    if str(config.get('type', '')).startswith('mmrobustprune.'):
        if config.get('rule') is not None:
            raise ValueError(
                f'optim_wrapper.rule={dict(config.rule)} would not be used, as a recipe has a rule '
                'for each phase; say robust_prune=dict(rule=..., finetune_rule=...) instead.'
            )
        return config
    if name not in WRAPPERS:
        raise ValueError(
            f"optim_wrapper of type '{config.type}' cannot make two passes; PruneRunner takes "
            'OptimWrapper, AmpOptimWrapper or a wrapper of mmrobustprune.'
        )
    config.type = WRAPPERS[name]
    config.setdefault('rule', None)
    return config
