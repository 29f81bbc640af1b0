# SFP (IJCAI 2018): 40 % of the filters of every layer, 200 epochs from a trained network, from a
# tenth of the learning rate of a training from scratch, times 0.2 at 60, 120 and 160.
_base_ = './_base_/resnet56_cifar10.py'

robust_prune = dict(recipe='sfp', target=0.4, budget='channels')
optim_wrapper = dict(optimizer=dict(lr=0.01, nesterov=True))
param_scheduler = dict(type='MultiStepLR', milestones=[60, 120, 160], gamma=0.2)
train_cfg = dict(by_epoch=True, max_epochs=200, val_interval=5)
