# Tiny-ImageNet, 128 images a step. The paper says nothing of its pipeline: normalisation is that of
# ImageNet, crops are those of CIFAR-10 at twice the size. Its test images have no labels, so the
# validation images test; to choose by held-out images, give val_dataloader some of the training.
data_preprocessor = dict(
    num_classes=200,
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    to_rgb=True,
)

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='RandomCrop', crop_size=64, padding=8),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='PackInputs'),
]
train_dataloader = dict(
    batch_size=128,
    num_workers=4,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='mmrobustprune.TinyImageNet',
        data_root='data/tiny-imagenet-200',
        split='train',
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=200,
    num_workers=4,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='mmrobustprune.TinyImageNet',
        data_root='data/tiny-imagenet-200',
        split='val',
        pipeline=[dict(type='LoadImageFromFile'), dict(type='PackInputs')],
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='Accuracy', topk=(1,))
test_evaluator = val_evaluator
