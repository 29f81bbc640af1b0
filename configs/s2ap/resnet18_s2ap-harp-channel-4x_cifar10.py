# Channels instead of weights: S2AP on HARP, with a quarter of the FLOPs of ResNet-18. Readers of a
# residual stream share scores, so that the network in slim/ has as few; with streams='own', as
# published, it has 2.3 times fewer where the mask says 4.
_base_ = './resnet18_s2ap-harp-p90_cifar10.py'

robust_prune = dict(
    target=0.75,
    host=dict(type='HARP', form='channel', budget='flops', streams='tied', growth=0.01, start=1.0),
)
