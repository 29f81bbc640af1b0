# VGG-16-BN on 10,000 images of CIFAR-10 stored as JPEG, from random weights.
_base_ = './resnet20_10k_cifar10-jpeg.py'

load_from = None
model = dict(
    backbone=dict(_delete_=True, type='mmrobustprune.CIFARVGG', depth=16),
    head=dict(in_channels=512),
)
