# HRank (CVPR 2020): 40 % of the first layers of the 27 blocks, one after the other, each with 30
# epochs from 0.01, divided by 10 at 5 and 15. The 15 % of the sums between the blocks stay.
_base_ = './_base_/resnet56_cifar10.py'

robust_prune = dict(
    recipe='hrank', rates={'backbone.layer*.conv1': 0.4}, turns=27, length='810 epochs'
)
starts = list(range(0, 840, 30))
param_scheduler = [
    dict(
        type='MultiStepLR',
        milestones=[start + 5 for start in starts] + [start + 15 for start in starts],
        gamma=0.1,
    ),
    dict(type='MultiStepLR', milestones=starts[1:], gamma=100),
]
train_cfg = dict(by_epoch=True, max_epochs=840, val_interval=10)
