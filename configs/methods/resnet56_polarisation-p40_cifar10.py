# Polarisation (NeurIPS 2020) on the schedule of slimming. The paper finds strength and t for every
# budget by a grid; these are where a grid may start.
_base_ = './resnet56_slimming-p40_cifar10.py'

robust_prune = dict(recipe='polarisation', strength=1e-4, t=1.2)
