# VGG-16-BN on SVHN: 90 % of the weights removed by S2AP on HARP, with the paper's radius;
# --cfg-options robust_prune.gamma=0 is HARP.
_base_ = ['./vgg16-bn_trades-220e_svhn.py', '../recipes/s2ap_harp.py']

robust_prune = dict(
    target=0.9, gamma=0.0025, pretrain='100 epochs', search='20 epochs', warmup='5 epochs'
)
