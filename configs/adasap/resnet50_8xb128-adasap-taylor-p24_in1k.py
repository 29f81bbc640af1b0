# The same, 76 % of the parameters kept.
_base_ = './resnet50_8xb128-adasap-taylor-p60_in1k.py'

robust_prune = dict(target=0.24)
