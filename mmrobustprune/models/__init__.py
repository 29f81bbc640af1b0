"""OpenMMLab models: the pruned network as a config, adversarial training, and backbones and necks that mmpretrain lacks.

The registry imports each file by itself, so that a pruned network loads without the attacks.
"""

from mmrobustprune.compat import fixes  # noqa: F401, I001  checkpoints must load before any model is built
from .pruned import PrunedModel, pruned_model_config

__all__ = ['PrunedModel', 'pruned_model_config']
