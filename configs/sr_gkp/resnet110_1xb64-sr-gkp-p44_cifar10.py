# ResNet-110 on CIFAR-10: SR-GKP removes 43.75 % of the kernels of all blocks, as its released code
# chooses them, with the alpha of the paper's tables.
_base_ = './resnet110_1xb64-300e_cifar10.py'

load_from = 'work_dirs/resnet110_1xb64-300e_cifar10/epoch_300.pth'
runner_type = 'mmrobustprune.PruneRunner'
robust_prune = dict(
    recipe='sr_gkp', target=0.4375, search=dict(type='official', alpha=0.5), recalibrate=''
)
optim_wrapper = dict(optimizer=dict(lr=0.01))
