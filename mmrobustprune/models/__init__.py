"""OpenMMLab models: the pruned network as a config, adversarial training, and backbones and necks that mmpretrain lacks."""
from mmrobustprune.engine import compat  # noqa: I001  checkpoints must load before any model is built
from . import backbones, necks
from .adversarial import AdversarialClassifier
from .pruned import PrunedModel, pruned_model_config

__all__ = ['AdversarialClassifier', 'PrunedModel', 'backbones', 'compat', 'necks', 'pruned_model_config']
