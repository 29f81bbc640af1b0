# Channels instead of weights: S2AP on HYDRA, with a quarter of the FLOPs of ResNet-18. Readers of a
# residual stream share scores, so that the network in slim/ has as few; with streams='own', as
# published, it has 2.3 times fewer where the mask says 4.
_base_ = './resnet18_s2ap-hydra-p90_cifar10.py'

robust_prune = dict(
    target=0.75,
    host=dict(type='HYDRA', form='channel', budget='flops', streams='tied'),
)
