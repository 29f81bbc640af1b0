# Comparison: first-order Taylor scores under plain SGD.
_base_ = './ssd512_r50-adasap-p50_voc0712.py'

robust_prune = dict(recipe='taylor')
