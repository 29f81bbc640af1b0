# WRN-28-4, 5,849,050 parameters with 10 classes.
model = dict(
    type='ImageClassifier',
    backbone=dict(type='mmrobustprune.WideResNet', depth=28, widen_factor=4),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead',
        num_classes=10,
        in_channels=256,
        loss=dict(type='CrossEntropyLoss', loss_weight=1.0),
    ),
)
