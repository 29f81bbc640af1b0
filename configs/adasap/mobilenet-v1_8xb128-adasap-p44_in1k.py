# MobileNetV1 on ImageNet keeps 56 % of its parameters (arXiv 2306.14306, table 8). Set load_from to
# the dense one, trained.
_base_ = './mobilenet-v1_8xb128-90e_in1k.py'

load_from = 'work_dirs/mobilenet-v1_8xb128-90e_in1k/epoch_90.pth'
runner_type = 'mmrobustprune.PruneRunner'
robust_prune = dict(recipe='adasap', target=0.44, warmup='10 epochs', rounds=30, interval=30)
