# ResNet-20 loses half its parameters under AdaSAP, starting from the trained one.
_base_ = './resnet20_cifar10-jpeg.py'

runner_type = 'mmrobustprune.PruneRunner'
robust_prune = dict(
    recipe='adasap',
    target=0.5,
    warmup=0.1,
    rounds=30,
    prune=0.2,
    normalise='mean',  # this and the next three: as it was recorded
    per='unit',
    weigh='none',
    recalibrate='',
)
