# AdaSAP without ASAM, with Taylor scores for the radii and the removal.
_base_ = './resnet50_8xb128-adasap-sam-p24_in1k.py'

robust_prune = dict(score=dict(type='Taylor'))
