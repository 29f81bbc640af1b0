# The same groups, of which the grouped kernels of the largest L2 norm stay.
_base_ = './resnet20_cifar10-jpeg.py'

runner_type = 'mmrobustprune.PruneRunner'
robust_prune = dict(
    recipe='sr_gkp', target=0.4375, search='l2', recalibrate=''
)  # none when it was recorded
optim_wrapper = dict(optimizer=dict(lr=0.01))
