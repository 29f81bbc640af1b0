# SSDLite-MobileNetV2 on COCO loses half its parameters, starting from the published detector.
_base_ = 'mmdet::ssd/ssdlite_mobilenetv2-scratch_8xb24-600e_coco.py'

load_from = 'https://download.openmmlab.com/mmdetection/v2.0/ssd/ssdlite_mobilenetv2_scratch_600e_coco/ssdlite_mobilenetv2_scratch_600e_coco_20210629_110627-974d9307.pth'  # noqa: E501
runner_type = 'mmrobustprune.PruneRunner'
robust_prune = dict(recipe='adasap', target=0.5)
