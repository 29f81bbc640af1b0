# VGG-16-BN as in HYDRA: four pools, three linear layers, 15,311,818 parameters with 10 classes.
model = dict(
    type='ImageClassifier',
    backbone=dict(type='mmrobustprune.CIFARVGG', depth=16, bias=False, pools=4),
    neck=dict(type='mmrobustprune.AdaptivePooling', size=2),
    head=dict(
        type='StackedLinearClsHead',
        num_classes=10,
        in_channels=2048,
        mid_channels=(256, 256),
        loss=dict(type='CrossEntropyLoss', loss_weight=1.0),
        init_cfg=dict(type='Normal', layer='Linear', std=0.01),
    ),
)
