# VGG-16-BN on CIFAR-10: SR-GKP removes 43.75 % of the kernels of all convolutions but the first.
_base_ = './vgg16-bn_1xb64-300e_cifar10.py'

load_from = 'work_dirs/vgg16-bn_1xb64-300e_cifar10/epoch_300.pth'
runner_type = 'mmrobustprune.PruneRunner'
robust_prune = dict(recipe='sr_gkp', target=0.4375, search='official', recalibrate='')
optim_wrapper = dict(optimizer=dict(lr=0.01))
