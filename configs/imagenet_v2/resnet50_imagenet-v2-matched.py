# ResNet-50 tested on ImageNet-V2 (arXiv 1902.10811), unpacked into data/imagenetv2; R_V2 is this
# accuracy / that on ImageNet.
_base_ = 'mmpretrain::resnet/resnet50_8xb32_in1k.py'

test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='mmrobustprune.ImageNetV2',
        data_root='data/imagenetv2',
        variant='matched-frequency',
        pipeline={{_base_.test_pipeline}},
    )
)
