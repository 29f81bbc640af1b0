# GReg-2 (ICLR 2021): a penalty on all filters grows by 1e-5 every 10 iterations up to 0.01 first.
_base_ = './resnet56_greg1-p50_cifar10.py'

robust_prune = dict(recipe='greg2', separate='10000 iters')
param_scheduler = [
    dict(type='MultiStepLR', by_epoch=False, milestones=[115000], gamma=10),
    dict(type='MultiStepLR', by_epoch=False, milestones=[138460, 150190], gamma=0.1),
]
train_cfg = dict(max_epochs=415)
