# S2AP on robust lottery tickets: a mask over random weights that are never trained.
runner_type = 'mmrobustprune.PruneRunner'
robust_prune = dict(recipe='s2ap_rlth', target=0.9, gamma=0.001)
