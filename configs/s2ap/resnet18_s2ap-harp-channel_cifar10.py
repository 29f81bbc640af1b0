# Channels instead of weights: S2AP on HARP with a FLOPs constraint. target is the share of
# channels, so FLOPs fall about four times.
_base_ = ['./resnet18_trades-220e_cifar10.py', '../recipes/s2ap_harp.py']

robust_prune = dict(
    target=0.5,
    gamma=0.001,
    host=dict(type='HARP', form='channel', input_shape=(3, 32, 32), start=1.0),
    pretrain='100 epochs',
    search='20 epochs',
    warmup='5 epochs',
)
