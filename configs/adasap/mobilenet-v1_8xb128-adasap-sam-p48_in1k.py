# The same, 52 % of the parameters kept.
_base_ = './mobilenet-v1_8xb128-adasap-sam-p44_in1k.py'

robust_prune = dict(target=0.48)
