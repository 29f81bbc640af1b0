# L1Norm-A (arXiv:1608.08710): a tenth of the first layers of all blocks but 16, 20, 38 and 54;
# 40 epochs at 0.001. 10.4 % of the operations and 9.4 % of the parameters go.
_base_ = './_base_/resnet56_cifar10.py'

robust_prune = dict(
    recipe='l1norm',
    rates={'backbone.layer*.conv1': 0.1},
    ignore=[
        'backbone.layer1.7.conv1',
        'backbone.layer2.0.conv1',
        'backbone.layer3.0.conv1',
        'backbone.layer3.8.conv1',
    ],
)
optim_wrapper = dict(optimizer=dict(lr=0.001, weight_decay=1e-4))
param_scheduler = []
train_cfg = dict(by_epoch=True, max_epochs=40, val_interval=5)
