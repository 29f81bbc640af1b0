# EagleEye (ECCV 2020): the best of 1000 vectors of rates, then fine-tuning. The paper gives a
# schedule for ImageNet alone; this is SR-GKP's for CIFAR-10.
_base_ = './_base_/resnet56_cifar10.py'

robust_prune = dict(recipe='eagleeye', target=0.5, budget='macs', candidates=1000)
train_dataloader = dict(batch_size=64)
param_scheduler = dict(type='StepLR', step_size=100, gamma=0.1)
train_cfg = dict(by_epoch=True, max_epochs=300, val_interval=5)
