"""Backbones that the experiments need and mmpretrain lacks."""

from .cifar_resnet import CIFARResNet, classifier_state
from .cifar_vgg import CIFARVGG
from .mobilenet_v1 import MobileNetV1
from .mobilenet_v2 import mobilenet_v2_state
from .published import published_state
from .wide_resnet import WideResNet

__all__ = [
    'CIFARResNet',
    'CIFARVGG',
    'MobileNetV1',
    'WideResNet',
    'classifier_state',
    'mobilenet_v2_state',
    'published_state',
]
