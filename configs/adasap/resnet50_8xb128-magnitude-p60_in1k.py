# Comparison: group L2 magnitude under plain SGD.
_base_ = './resnet50_8xb128-adasap-p60_in1k.py'

robust_prune = dict(recipe='magnitude')
