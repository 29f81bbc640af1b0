# VGG-16-BN for 32x32 images with one linear layer.
model = dict(
    type='ImageClassifier',
    backbone=dict(type='mmrobustprune.CIFARVGG', depth=16),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead',
        num_classes=10,
        in_channels=512,
        loss=dict(type='CrossEntropyLoss', loss_weight=1.0),
    ),
)
