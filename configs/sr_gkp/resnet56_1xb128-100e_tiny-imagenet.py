# ResNet-56 on Tiny-ImageNet, dense.
_base_ = [
    './_base_/resnet.py',
    './_base_/tiny_imagenet.py',
    './_base_/sgd_100e.py',
    'mmpretrain::_base_/default_runtime.py',
]

model = dict(head=dict(num_classes=200))
