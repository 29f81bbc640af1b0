# MobileNetV2 from ImageNet weights on 10,000 images of CIFAR-10 stored as JPEG, enlarged to 96
# pixels; tools/experiments/prepare_data.py makes both.
_base_ = './resnet20_10k_cifar10-jpeg.py'

load_from = None
model = dict(
    data_preprocessor=dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375]),
    backbone=dict(
        _delete_=True,
        type='mmdet.MobileNetV2',
        out_indices=(7,),
        init_cfg=dict(type='Pretrained', checkpoint='data/mobilenet_v2_imagenet.pth'),
    ),
    head=dict(in_channels=1280),
)
train_pipeline = [
    dict(type='mmrobustprune.LoadImageOnce'),
    dict(type='Resize', scale=96),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='PackInputs'),
]
train_dataloader = dict(batch_size=64, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=100,
    dataset=dict(
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='Resize', scale=96),
            dict(type='PackInputs'),
        ]
    ),
)
test_dataloader = val_dataloader
