# VGG-16-BN on CIFAR-10: 90 % of the weights removed by S2AP on HYDRA, with the paper's radius;
# --cfg-options robust_prune.gamma=0 is HYDRA.
_base_ = [
    './vgg16-bn_trades-100e_cifar10.py',
    '../recipes/s2ap_hydra.py',
    './_base_/measured.py',
]

load_from = 'work_dirs/vgg16-bn_trades-100e_cifar10/epoch_100.pth'
train_cfg = dict(max_epochs=120)
robust_prune = dict(
    target=0.9,
    gamma=0.0025,
    search='20 epochs',
    warmup='5 epochs',
)
