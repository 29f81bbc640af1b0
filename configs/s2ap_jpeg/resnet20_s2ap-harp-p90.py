# S2AP on HARP: the same, with scores and then kept weights moved to where the loss is worst.
_base_ = './resnet20_harp-p90.py'

robust_prune = dict(perturb='scores', gamma=0.001, finetune_gamma=None)
