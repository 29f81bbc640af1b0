# FPGM (CVPR 2019): SFP with distances in the place of norms.
_base_ = './resnet56_sfp-p40_cifar10.py'

robust_prune = dict(recipe='soft_fpgm')
