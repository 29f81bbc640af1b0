# MobileNetV2 on ImageNet loses half its parameters (our choice), with the schedule and the radii of
# arXiv 2306.14306.
_base_ = './mobilenet-v2_8xb128-90e_in1k.py'

load_from = 'work_dirs/mobilenet-v2_8xb128-90e_in1k/epoch_90.pth'
runner_type = 'mmrobustprune.PruneRunner'
robust_prune = dict(recipe='adasap', target=0.5, warmup='10 epochs', rounds=30, interval=30)
