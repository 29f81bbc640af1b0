# Comparison: Taylor scores under ASAM of one radius, 2.0, from the first iteration to the last.
_base_ = './resnet50_8xb128-adasap-p60_in1k.py'

robust_prune = dict(
    recipe='taylor',
    rule=dict(type='ASAM', rho=2.0, params='weight'),
    finetune_rule=dict(type='ASAM', rho=2.0, params='weight'),
)
