# The small vision transformer on SVHN, dense.
_base_ = [
    './_base_/vit-small-p4.py',
    './_base_/svhn.py',
    './_base_/adamw_100e.py',
    'mmpretrain::_base_/default_runtime.py',
]
