# Comparison: first-order Taylor scores under plain SGD.
_base_ = './mobilenet-v2_8xb128-adasap-sam-p12_in1k.py'

robust_prune = dict(recipe='taylor', rule=None, finetune_rule=None)
