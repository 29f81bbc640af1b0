# Comparison: group L2 magnitude under plain SGD.
_base_ = './ssd512_r50-adasap-p50_voc0712.py'

robust_prune = dict(recipe='magnitude')
