# MobileNetV2 on ImageNet loses half its parameters (our choice), with the schedule and the radii of
# arXiv 2306.14306.
_base_ = './mobilenet-v2_8xb128-90e_in1k.py'

load_from = 'https://download.openmmlab.com/mmclassification/v0/mobilenet_v2/mobilenet_v2_batch256_imagenet_20200708-3b2dc3af.pth'  # noqa: E501
runner_type = 'mmrobustprune.PruneRunner'
robust_prune = dict(recipe='adasap', target=0.5, warmup='10 epochs', rounds=30, interval=30)
