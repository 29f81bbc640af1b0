# SSDLite-MobileNetV2 at 224 pixels on BCCD for 12 epochs, from ImageNet weights that
# tools/experiments/prepare_data.py makes.
_base_ = './ssdlite_mobilenetv2-scratch_bccd.py'

size = (224, 224)
train_pipeline = _base_.train_pipeline
train_pipeline[4].scale = size
test_pipeline = _base_.test_pipeline
test_pipeline[1].scale = size
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
model = dict(
    backbone=dict(
        init_cfg=dict(_delete_=True, type='Pretrained', checkpoint='data/mobilenet_v2_imagenet.pth')
    ),
    bbox_head=dict(
        anchor_generator=dict(
            min_sizes=[34, 70, 105, 141, 177, 213], max_sizes=[70, 105, 141, 177, 213, 224]
        )
    ),
)

max_epochs = 12
train_cfg = dict(max_epochs=max_epochs, val_interval=4)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=50),
    dict(
        type='CosineAnnealingLR',
        begin=0,
        T_max=max_epochs,
        end=max_epochs,
        by_epoch=True,
        eta_min=0,
        convert_to_iter_based=True,
    ),
]
