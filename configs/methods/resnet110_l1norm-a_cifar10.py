# L1Norm-A (arXiv:1608.08710) of ResNet-110: half of the first layers of the blocks of the first
# stage but 36. 15.9 % of the operations and 2.3 % of the parameters go.
_base_ = './resnet56_l1norm-a_cifar10.py'

load_from = 'work_dirs/resnet110_cifar10/epoch_200.pth'
model = dict(backbone=dict(depth=110))
robust_prune = dict(
    rates=dict(_delete_=True, **{'backbone.layer1.*.conv1': 0.5}),
    ignore=['backbone.layer1.17.conv1'],
)
