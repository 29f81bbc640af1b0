# Smoothness mixed into SFP (SR-GKP, NeurIPS 2023, Table 7): the MACs of its 43.75 %, 300 epochs
# from 0.01, divided by 10 every 100. alpha (its CSB) is .9 here, .5 and .75 in the other rows.
_base_ = './_base_/resnet56_cifar10.py'

robust_prune = dict(
    recipe='smooth_sfp',
    target=0.4375,
    budget='macs',
    score=dict(type='SmoothMix', alpha=0.9),
)
train_dataloader = dict(batch_size=64)
param_scheduler = dict(type='StepLR', step_size=100, gamma=0.1)
train_cfg = dict(by_epoch=True, max_epochs=300, val_interval=5)
