# The same for ResNet-110.
_base_ = './resnet56_cifar10.py'

model = dict(backbone=dict(depth=110))
