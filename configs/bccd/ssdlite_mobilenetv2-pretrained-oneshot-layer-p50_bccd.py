# The comparison arm: the same share of every layer goes at once, before the second iteration.
_base_ = './ssdlite_mobilenetv2-pretrained_bccd.py'

load_from = 'work_dirs/ssdlite_mobilenetv2-pretrained_bccd/epoch_12.pth'
model = dict(backbone=dict(init_cfg=None))
runner_type = 'mmrobustprune.PruneRunner'
robust_prune = dict(recipe='magnitude', target=0.5, scope='layer', warmup=0, rounds=1, interval=1)
