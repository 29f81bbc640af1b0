# SSD512 on the first three stages of ResNet-50, whose last two have the widths and strides of
# SSD-VGG's pyramid: 512 at 8 under the L2 norm, 1024 at 16, then SSD's own extra layers, head and
# schedule. This arrangement is our choice.
_base_ = 'mmdet::pascal_voc/ssd512_voc0712.py'

model = dict(
    data_preprocessor=dict(std=[58.395, 57.12, 57.375]),
    backbone=dict(
        _delete_=True,
        type='ResNet',
        depth=50,
        num_stages=3,
        strides=(1, 2, 2),
        dilations=(1, 1, 1),
        out_indices=(1, 2),
        norm_cfg=dict(type='BN'),
        norm_eval=False,
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet50'),
    ),
)
