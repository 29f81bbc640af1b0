# Dense MobileNetV1: where its pruning starts from.
_base_ = [
    './_base_/mobilenet-v1.py',
    'mmpretrain::_base_/datasets/imagenet_bs32_pil_resize.py',
    './_base_/sgd_8xb128-90e.py',
    'mmpretrain::_base_/default_runtime.py',
]

train_dataloader = dict(batch_size=128)
