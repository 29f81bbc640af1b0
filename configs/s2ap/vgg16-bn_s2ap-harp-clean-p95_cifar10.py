# Pruning for clean accuracy: S2AP on HARP with plain cross-entropy and no attack.
_base_ = [
    './vgg16-bn_1xb128-100e_cifar10.py',
    '../recipes/s2ap_harp.py',
    './_base_/measured.py',
]

load_from = 'work_dirs/vgg16-bn_1xb128-100e_cifar10/epoch_100.pth'
train_cfg = dict(max_epochs=120)
robust_prune = dict(
    target=0.95,
    gamma=0.0025,
    host=dict(type='HARP', growth=0.01),
    metric='accuracy/top1',
    search='20 epochs',
    warmup='5 epochs',
)
