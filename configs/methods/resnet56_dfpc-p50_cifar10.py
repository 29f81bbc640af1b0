# DFPC (ICLR 2023): half the operations without data, a hundredth at a time, then fine-tuning. The
# schedule is SR-GKP's for CIFAR-10; without fine-tuning the network is that of its first epoch.
_base_ = './_base_/resnet56_cifar10.py'

robust_prune = dict(recipe='dfpc', target=0.5, budget='macs')
train_dataloader = dict(batch_size=64)
param_scheduler = dict(type='StepLR', step_size=100, gamma=0.1)
train_cfg = dict(by_epoch=True, max_epochs=300, val_interval=5)
