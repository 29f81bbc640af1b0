"""OpenMMLab models: the pruned network as a config, adversarial training, backbones and necks.

The registry imports each file by itself, so that a pruned network loads without the attacks.
"""

# ruff: noqa: I001  checkpoints must load before any model is built
from mmrobustprune.compat import fixes  # noqa: F401
from . import attention, convolutions, norms  # noqa: F401  fill tables
from .pruned import PrunedModel, pruned_model_config

__all__ = ['PrunedModel', 'pruned_model_config']
