# Network slimming (ICCV 2017): 160 epochs under the penalty and 160 of fine-tuning, each from 0.1,
# divided by 10 at a half and three quarters. 1e-5 is its strength for residual networks.
_base_ = './_base_/resnet56_cifar10.py'

load_from = None
robust_prune = dict(recipe='slimming', target=0.4, sparsify='160 epochs', strength=1e-5)
train_dataloader = dict(batch_size=64)
optim_wrapper = dict(optimizer=dict(lr=0.1, weight_decay=1e-4))
param_scheduler = [
    dict(type='MultiStepLR', milestones=[80, 120, 240, 280], gamma=0.1),
    dict(type='MultiStepLR', milestones=[160], gamma=100),
]
train_cfg = dict(by_epoch=True, max_epochs=320, val_interval=5)
