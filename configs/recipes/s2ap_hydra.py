# S2AP on HYDRA: scores over frozen weights, moved to where the loss is worst, choose the same share
# of every layer. Use as one more base over an adversarial training (configs/adversarial): the
# recipe trains, searches and fine-tunes in turn.
runner_type = 'mmrobustprune.PruneRunner'
robust_prune = dict(recipe='s2ap_hydra', target=0.9, gamma=0.001)
