# AdaSAP with Taylor scores for the radii and the removal.
_base_ = './resnet50_8xb128-adasap-p60_in1k.py'

robust_prune = dict(score=dict(type='Taylor'))
