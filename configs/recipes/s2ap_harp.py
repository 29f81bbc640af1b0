# S2AP on HARP: as s2ap_hydra, and every layer learns its own rate under a penalty that grows until
# the target is met.
runner_type = 'mmrobustprune.PruneRunner'
robust_prune = dict(recipe='s2ap_harp', target=0.9, gamma=0.001)
