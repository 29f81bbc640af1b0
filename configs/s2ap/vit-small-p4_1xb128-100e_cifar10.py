# The small vision transformer on CIFAR-10, dense.
_base_ = [
    './_base_/vit-small-p4.py',
    './_base_/cifar10.py',
    './_base_/adamw_100e.py',
    'mmpretrain::_base_/default_runtime.py',
]
