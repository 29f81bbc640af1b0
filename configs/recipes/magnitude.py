# Group L2 magnitude under plain training: the comparison arm of AdaSAP.
runner_type = 'mmrobustprune.PruneRunner'
robust_prune = dict(recipe='magnitude', target=0.5)
