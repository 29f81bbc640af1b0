# The same, 20 % of the parameters kept.
_base_ = './resnet50_8xb128-magnitude-p60_in1k.py'

robust_prune = dict(target=0.80)
