# ResNet-50 on ImageNet: SR-GKP removes 75 % of the 3x3 kernels, the 1x1 ones stay. The paper does
# not print the rate: it follows from the printed sizes.
_base_ = './resnet50_8xb32-100e_in1k.py'

load_from = 'work_dirs/resnet50_8xb32-100e_in1k/epoch_100.pth'
runner_type = 'mmrobustprune.PruneRunner'
robust_prune = dict(recipe='sr_gkp', target=0.75, search='official', recalibrate='')
optim_wrapper = dict(optimizer=dict(lr=0.01))
