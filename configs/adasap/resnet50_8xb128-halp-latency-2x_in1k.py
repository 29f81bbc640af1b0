# Comparison: HALP, the linearised step under plain SGD.
_base_ = './resnet50_8xb128-adasap-latency-2x_in1k.py'

robust_prune = dict(rule=None, finetune_rule=None, solver='linearised')
