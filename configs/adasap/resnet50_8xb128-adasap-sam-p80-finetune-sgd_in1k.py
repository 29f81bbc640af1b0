# The third phase without perturbation.
_base_ = './resnet50_8xb128-adasap-sam-p80_in1k.py'

robust_prune = dict(finetune_rule=None)
