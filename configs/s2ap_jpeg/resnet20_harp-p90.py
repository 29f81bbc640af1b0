# HARP alone, likewise.
_base_ = './resnet20_hydra-p90.py'

robust_prune = dict(recipe='s2ap_harp')
