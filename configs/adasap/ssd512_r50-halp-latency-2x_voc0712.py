# Comparison: HALP, the linearised step under plain SGD.
_base_ = './ssd512_r50-adasap-latency-2x_voc0712.py'

robust_prune = dict(rule=None, finetune_rule=None, solver='linearised')
