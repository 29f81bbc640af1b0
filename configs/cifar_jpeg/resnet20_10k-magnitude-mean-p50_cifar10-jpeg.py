# The comparison arm: units compete by their score over the mean of their group.
_base_ = './resnet20_10k_cifar10-jpeg.py'

runner_type = 'mmrobustprune.PruneRunner'
robust_prune = dict(recipe='magnitude', target=0.5, normalise='mean', per='unit', weigh='none')
