# The comparison arm: units compete by their score over the mean of their group.
_base_ = './ssdlite_mobilenetv2-pretrained_bccd.py'

load_from = 'work_dirs/ssdlite_mobilenetv2-pretrained_bccd/epoch_12.pth'
model = dict(backbone=dict(init_cfg=None))
runner_type = 'mmrobustprune.PruneRunner'
robust_prune = dict(recipe='magnitude', target=0.5, normalise='mean', per='unit', weigh='none')
