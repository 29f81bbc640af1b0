"""Convolutions of OpenMMLab that multiply by one weight in several ways, and what they consist of.

Each is made known as soon as the class it is of has been imported, by whomever.
"""

from functools import partial
from importlib import import_module

from mmrobustprune.compat.after_import import after_import

FORMS = {  # module of OpenMMLab -> our file that writes its classes out
    'mmcv.ops.saconv': 'switchable',
    'mmdet.models.backbones.trident_resnet': 'trident',
}


def _write_out(name: str, _) -> None:
    import_module(f'.{name}', __name__)


for _module, _name in FORMS.items():
    after_import(_module, partial(_write_out, _name))
