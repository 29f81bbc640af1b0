# ResNet-32 on CIFAR-10, dense.
_base_ = [
    './_base_/resnet.py',
    './_base_/cifar10.py',
    './_base_/sgd_300e.py',
    'mmpretrain::_base_/default_runtime.py',
]

model = dict(backbone=dict(depth=32))
