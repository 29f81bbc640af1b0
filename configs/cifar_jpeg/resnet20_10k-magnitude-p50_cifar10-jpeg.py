# Half of the parameters go by two lines.
_base_ = './resnet20_10k_cifar10-jpeg.py'

runner_type = 'mmrobustprune.PruneRunner'
robust_prune = dict(recipe='magnitude', target=0.5)
