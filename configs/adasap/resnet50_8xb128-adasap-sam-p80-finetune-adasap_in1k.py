# The third phase with a radius per neuron, by the L2 norms of the filters that are left.
_base_ = './resnet50_8xb128-adasap-sam-p80_in1k.py'

robust_prune = dict(
    finetune_rule=dict(_delete_=True, type='AdaSAP', rho_min=0.01, rho_max=0.1, adaptive=False)
)
