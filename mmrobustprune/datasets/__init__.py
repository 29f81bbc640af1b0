"""Data sets and transforms for OpenMMLab that the experiments need."""

from .imagenet_part import ImageNetPart
from .imagenet_v2 import ImageNetV2
from .remembered import LoadImageOnce
from .samplers import ReplayedBatchSampler
from .shapes import ShapesDataset, write_shapes
from .svhn import SVHN
from .tiny_imagenet import TinyImageNet

__all__ = [
    'ImageNetPart',
    'ImageNetV2',
    'LoadImageOnce',
    'ReplayedBatchSampler',
    'SVHN',
    'ShapesDataset',
    'TinyImageNet',
    'write_shapes',
]
