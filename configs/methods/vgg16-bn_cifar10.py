# The dense VGG-16-BN that methods start from, as the ResNets.
_base_ = ['../sr_gkp/_base_/vgg16.py', './_base_/cifar10.py']

runner_type = 'mmrobustprune.TrainRunner'
optim_wrapper = dict(optimizer=dict(lr=0.1))
param_scheduler = dict(type='MultiStepLR', milestones=[100, 150], gamma=0.1)
train_cfg = dict(by_epoch=True, max_epochs=200, val_interval=5)
