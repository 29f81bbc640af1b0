# VGG-16-BN on SVHN, dense.
_base_ = [
    './_base_/vgg16-bn.py',
    './_base_/svhn.py',
    './_base_/sgd_100e.py',
    'mmpretrain::_base_/default_runtime.py',
]
