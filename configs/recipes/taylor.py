# First-order Taylor scores under plain training.
runner_type = 'mmrobustprune.PruneRunner'
robust_prune = dict(recipe='taylor', target=0.5)
