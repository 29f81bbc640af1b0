# A fifteenth of the FLOPs.
_base_ = './resnet18_s2ap-harp-channel-4x_cifar10.py'

robust_prune = dict(target=1 - 1 / 15)
