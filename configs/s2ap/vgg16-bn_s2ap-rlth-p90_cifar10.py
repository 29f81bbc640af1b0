# VGG-16-BN on CIFAR-10: 20 epochs of search for a robust ticket in random weights, nothing else.
_base_ = [
    './vgg16-bn_trades-100e_cifar10.py',
    '../recipes/s2ap_rlth.py',
    './_base_/measured.py',
]

train_cfg = dict(max_epochs=20)
robust_prune = dict(target=0.9, gamma=0.0025, warmup='5 epochs')
