# A fifteenth of the FLOPs.
_base_ = './vgg16-bn_s2ap-harp-channel-4x_cifar10.py'

robust_prune = dict(target=1 - 1 / 15)
