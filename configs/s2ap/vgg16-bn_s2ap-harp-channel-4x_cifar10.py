# Channels instead of weights: S2AP on HARP, with a quarter of the FLOPs of VGG-16-BN.
_base_ = './vgg16-bn_s2ap-harp-p90_cifar10.py'

robust_prune = dict(
    target=0.75,
    host=dict(type='HARP', form='channel', budget='flops', growth=0.01, start=1.0),
)
