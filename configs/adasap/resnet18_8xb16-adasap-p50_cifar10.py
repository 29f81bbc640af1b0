# ResNet-18 on CIFAR-10 loses half its parameters, starting from the published classifier, on the
# base's schedule.
_base_ = 'mmpretrain::resnet/resnet18_8xb16_cifar10.py'

load_from = 'https://download.openmmlab.com/mmclassification/v0/resnet/resnet18_b16x8_cifar10_20210528-bd6371c8.pth'
runner_type = 'mmrobustprune.PruneRunner'
robust_prune = dict(recipe='adasap', target=0.5)
