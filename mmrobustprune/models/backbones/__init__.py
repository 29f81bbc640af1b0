"""Backbones that the experiments need and mmpretrain lacks."""
from .cifar_resnet import CIFARResNet, classifier_state

__all__ = ['CIFARResNet', 'classifier_state']
