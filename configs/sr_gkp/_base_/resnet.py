# ResNet for 32x32 images, three stages of 16, 32 and 64 channels; set the depth.
model = dict(
    type='ImageClassifier',
    backbone=dict(type='mmrobustprune.CIFARResNet', depth=56),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead',
        num_classes=10,
        in_channels=64,
        loss=dict(type='CrossEntropyLoss', loss_weight=1.0),
    ),
)
