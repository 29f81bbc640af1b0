# L1Norm-B (arXiv:1608.08710): 60, 30 and 10 % of the stages, without the first layers 16, 18, 20,
# 34, 38 and 54. 27.6 % of the operations and 13.7 % of the parameters go.
_base_ = './resnet56_l1norm-a_cifar10.py'

robust_prune = dict(
    rates=dict(
        _delete_=True,
        **{
            'backbone.layer1.*.conv1': 0.6,
            'backbone.layer2.*.conv1': 0.3,
            'backbone.layer3.*.conv1': 0.1,
        },
    ),
    ignore=[
        'backbone.layer1.7.conv1',
        'backbone.layer1.8.conv1',
        'backbone.layer2.0.conv1',
        'backbone.layer2.7.conv1',
        'backbone.layer3.0.conv1',
        'backbone.layer3.8.conv1',
    ],
)
