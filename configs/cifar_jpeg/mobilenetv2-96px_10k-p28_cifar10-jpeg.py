# 72 % of the parameters are kept.
_base_ = './mobilenetv2-96px_10k_cifar10-jpeg.py'

runner_type = 'mmrobustprune.PruneRunner'
robust_prune = dict(recipe='magnitude', target=0.28)
