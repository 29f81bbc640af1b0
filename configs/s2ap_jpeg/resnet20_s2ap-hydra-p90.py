# S2AP on HYDRA: the same, with scores and then kept weights moved to where the loss is worst.
_base_ = './resnet20_hydra-p90.py'

robust_prune = dict(perturb='scores', gamma=0.001, finetune_gamma=None)
