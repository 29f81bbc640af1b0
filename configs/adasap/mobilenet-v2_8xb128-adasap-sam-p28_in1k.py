# The same, 72 % of the parameters kept.
_base_ = './mobilenet-v2_8xb128-adasap-sam-p12_in1k.py'

robust_prune = dict(target=0.28)
