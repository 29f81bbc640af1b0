# SSDLite-MobileNetV2 on BCCD becomes twice as fast under AdaSAP on the machine that trains,
# starting from the trained one.
_base_ = './ssdlite_mobilenetv2-scratch_bccd.py'

load_from = 'work_dirs/ssdlite_mobilenetv2-scratch_bccd/epoch_20.pth'
runner_type = 'mmrobustprune.PruneRunner'
robust_prune = dict(
    recipe='adasap_latency',
    target=0.5,
    warmup=0.1,
    rounds=15,
    recalibrate='',  # none when it was recorded
    prune=0.3,
    table='work_dirs/bccd_latency/latency_table.json',
    score=dict(type='TaylorBN'),
)  # squares, as recorded; HALPTaylor is the recipe's own
