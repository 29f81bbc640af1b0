# Comparison: HALP, the linearised step under plain SGD.
_base_ = './mobilenet-v2_8xb128-adasap-sam-latency-1.39x_in1k.py'

robust_prune = dict(rule=None, finetune_rule=None, solver='linearised')
