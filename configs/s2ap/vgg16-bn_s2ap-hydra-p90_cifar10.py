# VGG-16-BN on CIFAR-10: 90 % of the weights removed by S2AP on HYDRA, with the paper's radius;
# --cfg-options robust_prune.gamma=0 is HYDRA.
_base_ = ['./vgg16-bn_trades-220e_cifar10.py', '../recipes/s2ap_hydra.py']

robust_prune = dict(
    target=0.9, gamma=0.0025, pretrain='100 epochs', search='20 epochs', warmup='5 epochs'
)
