"""OpenMMLab models: the pruned network as a config, and backbones that mmpretrain lacks."""
from mmrobustprune.engine import compat  # noqa: I001  checkpoints must load before any model is built
from . import backbones
from .pruned import PrunedModel, pruned_model_config

__all__ = ['PrunedModel', 'backbones', 'compat', 'pruned_model_config']
