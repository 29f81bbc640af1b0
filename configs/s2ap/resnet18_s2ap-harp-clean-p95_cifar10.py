# Pruning for clean accuracy: S2AP on HARP with plain cross-entropy and no attack.
_base_ = ['./resnet18_1xb128-100e_cifar10.py', '../recipes/s2ap_harp.py']

train_cfg = dict(max_epochs=220)
robust_prune = dict(
    target=0.95,
    gamma=0.001,
    metric='accuracy/top1',
    pretrain='100 epochs',
    search='20 epochs',
    warmup='5 epochs',
)
