# Comparison: HALP, the linearised step under plain SGD.
_base_ = './mobilenet-v1_8xb128-adasap-sam-latency-2.33x_in1k.py'

robust_prune = dict(rule=None, finetune_rule=None, solver='linearised')
