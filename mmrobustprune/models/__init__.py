"""OpenMMLab models: the pruned network as a config, and backbones that mmpretrain lacks."""
import mmrobustprune.engine.compat  # noqa: F401  checkpoints must load before any model is built
from . import backbones  # noqa: F401
from .pruned import PrunedModel, pruned_model_config

__all__ = ['PrunedModel', 'pruned_model_config']
