# SR-GKP: filters are grouped by smoothness and keep few input channels each, once; the base's
# schedule is the fine-tuning. Use as one more base, with the trained weights as load_from.
runner_type = 'mmrobustprune.PruneRunner'
robust_prune = dict(recipe='sr_gkp', target=0.4375)
