"""Backbones that the experiments need and mmpretrain lacks."""
from .cifar_resnet import CIFARResNet, classifier_state
from .cifar_vgg import CIFARVGG

__all__ = ['CIFARResNet', 'CIFARVGG', 'classifier_state']
