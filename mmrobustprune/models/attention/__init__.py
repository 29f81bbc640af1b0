"""Narrowed forms of OpenMMLab's attentions: what they become when heads or dimensions go.

Each is made known as soon as the class it is of has been imported, by whomever.
"""

from functools import partial
from importlib import import_module

from mmrobustprune.compat.after_import import after_import

FORMS = {  # module of OpenMMLab -> our file that narrows its classes
    'mmcv.ops.multi_scale_deform_attn': 'deformable',
    'mmdet.models.backbones.swin': 'mmdet_swin',
    'mmpretrain.models.backbones.davit': 'davit',
    'mmpretrain.models.backbones.efficientformer': 'efficientformer',
    'mmpretrain.models.backbones.hivit': 'hivit',
    'mmpretrain.models.backbones.levit': 'levit',
    'mmpretrain.models.backbones.mixmim': 'mixmim',
    'mmpretrain.models.backbones.mvit': 'mvit',
    'mmpretrain.models.backbones.twins': 'twins',
    'mmpretrain.models.backbones.vit_eva02': 'eva02',
    'mmpretrain.models.backbones.vit_sam': 'sam',
    'mmpretrain.models.backbones.xcit': 'xcit',
    'mmpretrain.models.utils.attention': 'general',
}


def _narrow(name: str, _) -> None:
    import_module(f'.{name}', __name__)


for _module, _name in FORMS.items():
    after_import(_module, partial(_narrow, _name))
