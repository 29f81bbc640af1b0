# WRN-28-4 on SVHN, dense.
_base_ = [
    './_base_/wrn-28-4.py',
    './_base_/svhn.py',
    './_base_/sgd_100e.py',
    'mmpretrain::_base_/default_runtime.py',
]
