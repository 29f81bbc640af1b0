# S2AP against HYDRA, mask alone and fine-tuned: the last mask in all arms, filters kept, all test
# images clean. hydra and s2ap for five seeds, the other two of the 2 x 2 for two:
#   --methods hydra s2ap --seeds 0 1 2 3 4   and   --methods hydra-awp scores-only --seeds 0 1
# The radius is that of tools/experiments/gamma_sweep.py, chosen on held-out attacked images.
title = 'S2AP against HYDRA, ResNet-20 on 10,000 images of CIFAR-10 as JPEG, the last mask'
base = '../s2ap_jpeg/resnet20_trades-10k.py'
gamma = 0.001
shared = {
    'robust_prune.select': 'last',
    'robust_prune.host.type': 'HYDRA',
    'robust_prune.host.keep_filters': True,
}
hydra = '../s2ap_jpeg/resnet20_hydra-p90.py'
scores = '../s2ap_jpeg/resnet20_s2ap-hydra-p90.py'
none = {'robust_prune.finetune_gamma': 0.0}
moved = {'robust_prune.finetune_gamma': gamma}
of_scores = {'robust_prune.gamma': gamma}
methods = {
    'hydra': dict(config=hydra, options={**shared, **none}),
    's2ap': dict(config=scores, options={**shared, **of_scores, **moved}),
    'hydra-awp': dict(config=hydra, options={**shared, **moved}),
    'scores-only': dict(config=scores, options={**shared, **of_scores, **none}),
}
del gamma, shared, hydra, scores, none, moved, of_scores
reference = 'hydra'
epochs = 12
seeds = (0, 1)
size = (32, 32)
budget = dict(of='weights', removed=0.9)
weights = 'docs/results/s2ap/dense-seed0.pth'
attacks = {
    'pgd10': '--attack pgd --eps 8/255 --step 2/255 --steps 10 --random-start --subset 2000 '
    '--batch-size 50',
}
robust = ('pgd10 pgd 0.0314', 20.0)
