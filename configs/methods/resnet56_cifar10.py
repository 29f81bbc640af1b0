# The dense network that the methods start from: 200 epochs, 0.1 divided by 10 at 100 and 150.
_base_ = './_base_/resnet56_cifar10.py'

load_from = None
runner_type = 'mmrobustprune.TrainRunner'
optim_wrapper = dict(optimizer=dict(lr=0.1, weight_decay=1e-4))
param_scheduler = dict(type='MultiStepLR', milestones=[100, 150], gamma=0.1)
train_cfg = dict(by_epoch=True, max_epochs=200, val_interval=5)
