# ResNet-50 on ImageNet, dense, with the schedule of HYDRA and HARP: 256 images a step, SGD from
# 0.1 to 0 by a cosine.
_base_ = 'mmpretrain::resnet/resnet50_8xb32_in1k.py'

param_scheduler = dict(
    _delete_=True,
    type='CosineAnnealingLR',
    eta_min=0,
    by_epoch=True,
    begin=0,
    end=90,
    T_max=90,
    convert_to_iter_based=True,
)
train_cfg = dict(max_epochs=90)
