# SSDLite-MobileNetV2 on BCCD loses half its parameters under AdaSAP, starting from the trained one.
_base_ = './ssdlite_mobilenetv2-scratch_bccd.py'

load_from = 'work_dirs/ssdlite_mobilenetv2-scratch_bccd/epoch_20.pth'
runner_type = 'mmrobustprune.PruneRunner'
robust_prune = dict(
    recipe='adasap',
    target=0.5,
    warmup=0.1,
    rounds=15,
    prune=0.3,
    normalise='mean',  # this and the next three: as it was recorded
    per='unit',
    weigh='none',
    recalibrate='',
)
