# AdaSAP with 46 % of the parameters kept, the size at which the paper varies the warm-up (10 epochs
# here).
_base_ = './resnet50_8xb128-adasap-p60_in1k.py'

robust_prune = dict(target=0.54)
