# The comparison arm: group L2 magnitude under plain SGD, within the same time.
_base_ = './ssdlite_mobilenetv2-adasap-latency-2x_bccd.py'

robust_prune = dict(rule=None, finetune_rule=None, score=dict(type='Magnitude'), normalise='mean')
