# Channels instead of weights: S2AP on HYDRA, with a quarter of the FLOPs of VGG-16-BN.
_base_ = './vgg16-bn_s2ap-hydra-p90_cifar10.py'

robust_prune = dict(
    target=0.75,
    host=dict(type='HYDRA', form='channel', budget='flops'),
)
