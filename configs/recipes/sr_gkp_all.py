# What SR-GKP's released code does to all convolutions of a bottleneck network: filters by their
# signed sums, 1x1 convolutions searched greedily. sr_gkp.py prunes the 3x3 ones, as the paper does.
runner_type = 'mmrobustprune.PruneRunner'
robust_prune = dict(recipe='sr_gkp_all', target=0.5)
