# The third phase with a radius per neuron, by the L2 norms of the filters that are left.
_base_ = './resnet50_8xb128-adasap-p80_in1k.py'

robust_prune = dict(finetune_rule=dict(type='AdaSAP', rho_min=0.01, rho_max=2.0, adaptive=True))
