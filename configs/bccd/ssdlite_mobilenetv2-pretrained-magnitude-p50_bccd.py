# Half of the parameters of the pretrained detector go in as many epochs, by magnitude: two lines.
_base_ = './ssdlite_mobilenetv2-pretrained_bccd.py'

load_from = 'work_dirs/ssdlite_mobilenetv2-pretrained_bccd/epoch_12.pth'
model = dict(backbone=dict(init_cfg=None))
runner_type = 'mmrobustprune.PruneRunner'
robust_prune = dict(recipe='magnitude', target=0.5)
