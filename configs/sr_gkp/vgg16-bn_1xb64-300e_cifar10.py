# VGG-16-BN on CIFAR-10, dense.
_base_ = [
    './_base_/vgg16.py',
    './_base_/cifar10.py',
    './_base_/sgd_300e.py',
    'mmpretrain::_base_/default_runtime.py',
]
