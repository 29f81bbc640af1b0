# ResNet-101 on Tiny-ImageNet: SR-GKP removes 87.5 % of the 3x3 kernels, the 1x1 ones stay. The
# paper does not print the rate: it follows from the printed sizes.
_base_ = './resnet101_1xb128-100e_tiny-imagenet.py'

load_from = 'work_dirs/resnet101_1xb128-100e_tiny-imagenet/epoch_100.pth'
runner_type = 'mmrobustprune.PruneRunner'
robust_prune = dict(recipe='sr_gkp', target=0.875, search='official', recalibrate='')
optim_wrapper = dict(optimizer=dict(lr=0.01))
