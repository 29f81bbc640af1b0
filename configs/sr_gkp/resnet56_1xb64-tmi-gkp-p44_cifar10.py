# ResNet-56 on CIFAR-10: TMI-GKP removes 43.75 % of the kernels, grouped by what epochs 35 to 70 of
# the dense training did to them.
_base_ = './resnet56_1xb64-300e_cifar10.py'

load_from = 'work_dirs/resnet56_1xb64-300e_cifar10/epoch_300.pth'
runner_type = 'mmrobustprune.PruneRunner'
robust_prune = dict(
    recipe='tmi_gkp',
    target=0.4375,
    snapshots=('work_dirs/resnet56_1xb64-300e_cifar10/epoch_*.pth',),
    recalibrate='',
)
optim_wrapper = dict(optimizer=dict(lr=0.01))
