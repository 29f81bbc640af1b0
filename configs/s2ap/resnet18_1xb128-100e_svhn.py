# ResNet-18 on SVHN, dense.
_base_ = [
    'mmpretrain::_base_/models/resnet18_cifar.py',
    './_base_/svhn.py',
    './_base_/sgd_100e.py',
    'mmpretrain::_base_/default_runtime.py',
]
