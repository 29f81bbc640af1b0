# AdaSAP under a latency budget: a table of this machine's times is measured at the start, then
# every round keeps the channels of most score within a time that falls to (1 - target) of the dense
# network's.
runner_type = 'mmrobustprune.PruneRunner'
robust_prune = dict(recipe='adasap_latency', target=0.5)
