# Comparison: Taylor scores under SAM of one radius, 0.05, from the first iteration to the last.
_base_ = './resnet50_8xb128-adasap-p60_in1k.py'

robust_prune = dict(
    recipe='taylor',
    rule=dict(type='SAM', rho=0.05, params='weight'),
    finetune_rule=dict(type='SAM', rho=0.05, params='weight'),
)
