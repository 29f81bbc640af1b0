# L1Norm-B (arXiv:1608.08710) of ResNet-110: 50, 40 and 30 % of the stages, without the first layers
# 36, 38 and 74. 38.6 % of the operations and 32.4 % of the parameters go.
_base_ = './resnet110_l1norm-a_cifar10.py'

robust_prune = dict(
    rates={
        'backbone.layer1.*.conv1': 0.5,
        'backbone.layer2.*.conv1': 0.4,
        'backbone.layer3.*.conv1': 0.3,
    },
    ignore=['backbone.layer1.17.conv1', 'backbone.layer2.0.conv1', 'backbone.layer3.0.conv1'],
)
