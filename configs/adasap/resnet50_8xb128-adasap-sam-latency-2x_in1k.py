# The same without the scaling of ASAM: radii from 0.01 to 0.1 in units of the weights, then 0.05.
_base_ = './resnet50_8xb128-adasap-latency-2x_in1k.py'

robust_prune = dict(
    rule=dict(type='AdaSAP', rho_min=0.01, rho_max=0.1, adaptive=False),
    finetune_rule=dict(type='SAM', rho=0.05, params='weight'),
)
