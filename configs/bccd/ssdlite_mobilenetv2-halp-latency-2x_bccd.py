# The comparison arm in the manner of HALP: Taylor scores of BatchNorm, its linearised step, plain
# SGD throughout.
_base_ = './ssdlite_mobilenetv2-adasap-latency-2x_bccd.py'

robust_prune = dict(rule=None, finetune_rule=None, solver='linearised')
