# OBD (LeCun et al., 1990) of channels: the diagonal of the Hessian, in 30 rounds. The paper has no
# such network; the schedule is SR-GKP's for CIFAR-10.
_base_ = './_base_/resnet56_cifar10.py'

robust_prune = dict(recipe='obd', target=0.5, budget='macs')
train_dataloader = dict(batch_size=64)
param_scheduler = dict(type='StepLR', step_size=100, gamma=0.1)
train_cfg = dict(by_epoch=True, max_epochs=300, val_interval=5)
