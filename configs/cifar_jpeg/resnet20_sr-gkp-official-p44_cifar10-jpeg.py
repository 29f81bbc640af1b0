# SR-GKP with the choices of the released code.
_base_ = './resnet20_cifar10-jpeg.py'

runner_type = 'mmrobustprune.PruneRunner'
robust_prune = dict(
    recipe='sr_gkp', target=0.4375, search='official', recalibrate=''
)  # none when it was recorded
optim_wrapper = dict(optimizer=dict(lr=0.01))
