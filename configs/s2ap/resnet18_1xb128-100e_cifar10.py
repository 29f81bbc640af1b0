# ResNet-18 on CIFAR-10, dense.
_base_ = [
    'mmpretrain::_base_/models/resnet18_cifar.py',
    './_base_/cifar10.py',
    './_base_/sgd_100e.py',
    'mmpretrain::_base_/default_runtime.py',
]
