# The comparison arm: group L2 magnitude under plain SGD; max_epochs doubled it costs as much as
# AdaSAP.
_base_ = './resnet20_cifar10-jpeg.py'

runner_type = 'mmrobustprune.PruneRunner'
robust_prune = dict(
    recipe='magnitude',
    target=0.5,
    warmup=0.1,
    rounds=30,
    prune=0.2,
    normalise='mean',  # this and the next three: as it was recorded
    per='unit',
    weigh='none',
    recalibrate='',
)
