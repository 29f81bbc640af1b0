# The vision transformer of the S2AP paper: 64 patches of 4x4, 8 blocks of 384 channels, 14,244,490
# parameters with 10 classes.
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='VisionTransformer',
        img_size=32,
        patch_size=4,
        arch=dict(embed_dims=384, num_layers=8, num_heads=6, feedforward_channels=1536),
    ),
    neck=None,
    head=dict(
        type='LinearClsHead',
        num_classes=10,
        in_channels=384,
        loss=dict(type='CrossEntropyLoss', loss_weight=1.0),
    ),
)
