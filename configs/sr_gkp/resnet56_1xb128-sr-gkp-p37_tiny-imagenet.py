# ResNet-56 on Tiny-ImageNet: SR-GKP removes 37.5 % of the kernels of all blocks. The paper does not
# print the rate: it follows from the printed sizes.
_base_ = './resnet56_1xb128-100e_tiny-imagenet.py'

load_from = 'work_dirs/resnet56_1xb128-100e_tiny-imagenet/epoch_100.pth'
runner_type = 'mmrobustprune.PruneRunner'
robust_prune = dict(recipe='sr_gkp', target=0.375, search='official', recalibrate='')
optim_wrapper = dict(optimizer=dict(lr=0.01))
