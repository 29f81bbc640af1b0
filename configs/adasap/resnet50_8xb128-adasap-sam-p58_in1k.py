# The same, 42 % of the parameters kept.
_base_ = './resnet50_8xb128-adasap-sam-p60_in1k.py'

robust_prune = dict(target=0.58)
