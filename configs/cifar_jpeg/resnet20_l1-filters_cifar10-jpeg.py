# Filters of the smallest L1 norm go at once, after the first step of training; as many parameters
# go as SR-GKP removes at its 43.75 %.
_base_ = './resnet20_cifar10-jpeg.py'

runner_type = 'mmrobustprune.PruneRunner'
robust_prune = dict(
    recipe='magnitude',
    target=0.433,
    score=dict(type='Magnitude', p=1),
    scope='layer',
    warmup=0,
    rounds=1,
    recalibrate='',  # none when it was recorded
    interval=1,
)
optim_wrapper = dict(optimizer=dict(lr=0.01))
