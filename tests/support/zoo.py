"""Real mmpretrain and mmdet models at a small input, without pretrained weights."""

import torch

DETECTORS = {
    'ssd300': ('ssd/ssd300_coco.py', 300),
    'ssd512': ('ssd/ssd512_coco.py', 512),
    'ssdlite': ('ssd/ssdlite_mobilenetv2-scratch_8xb24-600e_coco.py', 320),
    'retinanet': ('retinanet/retinanet_r18_fpn_1x_coco.py', 128),
    'retinanet_r50': ('retinanet/retinanet_r50_fpn_1x_coco.py', 128),
    'faster_rcnn': ('faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py', 128),
    'yolox': ('yolox/yolox_tiny_8xb8-300e_coco.py', 128),
    'fcos': ('fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py', 128),
    'mask_rcnn_gn': ('gn/mask-rcnn_r50_fpn_gn-all_2x_coco.py', 128),
    'atss': ('atss/atss_r50_fpn_1x_coco.py', 128),
    'rtmdet': ('rtmdet/rtmdet_tiny_8xb32-300e_coco.py', 128),
    'tood': ('tood/tood_r50_fpn_1x_coco.py', 128),
    'dcn': ('dcn/faster-rcnn_r50-dconv-c3-c5_fpn_1x_coco.py', 128),
    'mask_rcnn': ('mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py', 128),
    'cascade_rcnn': ('cascade_rcnn/cascade-rcnn_r50_fpn_1x_coco.py', 128),
}
CLASSIFIERS = {
    'resnet18': ('resnet/resnet18_8xb32_in1k.py', 64),
    'resnet50': ('resnet/resnet50_8xb32_in1k.py', 64),
    'resnet18_cifar': ('resnet/resnet18_8xb16_cifar10.py', 32),
    'mobilenet_v2': ('mobilenet_v2/mobilenet-v2_8xb32_in1k.py', 64),
    'vgg11': ('vgg/vgg11_8xb32_in1k.py', 224),
    'vgg16_bn': ('vgg/vgg16bn_8xb32_in1k.py', 224),
    'seresnet50': ('seresnet/seresnet50_8xb32_in1k.py', 64),
    'resnext50': ('resnext/resnext50-32x4d_8xb32_in1k.py', 64),
    'densenet121': ('densenet/densenet121_4xb256_in1k.py', 64),
    'shufflenet_v2': ('shufflenet_v2/shufflenet-v2-1x_16xb64_in1k.py', 64),
    'shufflenet_v1': ('shufflenet_v1/shufflenet-v1-1x_16xb64_in1k.py', 64),
    'regnet': ('regnet/regnetx-400mf_8xb128_in1k.py', 64),
    'cspdarknet': ('cspnet/cspdarknet50_8xb32_in1k.py', 64),
    'resnest50': ('resnest/resnest50_32xb64_in1k.py', 64),
    'mobilenet_v3': ('mobilenet_v3/mobilenet-v3-small_8xb128_in1k.py', 64),
    'vit': ('vision_transformer/vit-base-p16_64xb64_in1k.py', 224),
    'res2net50': ('res2net/res2net50-w14-s8_8xb32_in1k.py', 64),
    'repvgg': ('repvgg/repvgg-A0_8xb32_in1k.py', 64),
    'convnext': ('convnext/convnext-tiny_32xb128_in1k.py', 64),
    'convnext_v2': ('convnext_v2/convnext-v2-atto_32xb32_in1k.py', 64),
    'poolformer': ('poolformer/poolformer-s12_32xb128_in1k.py', 64),
    'hornet': ('hornet/hornet-tiny_8xb128_in1k.py', 64),
    'mixer': ('mlp_mixer/mlp-mixer-base-p16_64xb64_in1k.py', 224),
    'swin': ('swin_transformer/swin-tiny_16xb64_in1k.py', 224),
    'edgenext': ('edgenext/edgenext-xxsmall_8xb256_in1k.py', 256),
}


def _without_weights(config):
    for value in config.values() if isinstance(config, dict) else config:
        if isinstance(value, (dict, list, tuple)):
            _without_weights(value)
    if isinstance(config, dict) and 'init_cfg' in config:
        config['init_cfg'] = None
    return config


def detector(name):
    """(model, (images, data samples), forward)"""
    from mmdet.utils import register_all_modules
    from mmengine.hub import get_config
    from mmengine.registry import DefaultScope, init_default_scope

    register_all_modules(init_default_scope=False)
    init_default_scope('mmdet')
    from mmdet.registry import MODELS
    from mmdet.structures import DetDataSample

    path, size = DETECTORS[name]
    config = get_config(f'mmdet::{path}')
    model_config = _without_weights(config.model)
    torch.manual_seed(0)
    model = MODELS.build(model_config)
    for module in model.modules():
        if type(module).__name__ == 'L2Norm':  # mmdet leaves its scale uninitialised
            torch.nn.init.constant_(module.weight, 20)
    sample = DetDataSample(
        metainfo=dict(
            img_shape=(size, size),
            ori_shape=(size, size),
            batch_input_shape=(size, size),
            pad_shape=(size, size),
            scale_factor=(1.0, 1.0),
        )
    )
    assert DefaultScope.get_current_instance() is not None
    return model, (torch.randn(1, 3, size, size), [sample]), detect


def detect(model, example):
    images, samples = example
    if not hasattr(model, 'roi_head'):
        return model(images, samples, mode='tensor')
    from mmengine.structures import InstanceData

    # Fixed proposals: those of the first stage are cut off by NMS, which would hide its outputs.
    features = model.extract_feat(images)
    side = images.shape[-1]
    corner = torch.arange(8).to(images) * side / 16
    boxes = torch.stack([corner, corner, corner + side / 8, corner + side / 2], 1)
    proposals = [InstanceData(bboxes=boxes) for _ in samples]
    return model.rpn_head(features), model.roi_head.forward(features, proposals, samples)


def classifier(name):
    """(model, images, forward)"""
    from mmengine.hub import get_config
    from mmpretrain.registry import MODELS
    from mmpretrain.utils import register_all_modules

    register_all_modules(init_default_scope=True)
    path, size = CLASSIFIERS[name]
    config = get_config(f'mmpretrain::{path}')
    torch.manual_seed(0)
    model = MODELS.build(_without_weights(config.model))
    return model, torch.randn(2, 3, size, size), classify


def classify(model, images):
    return (
        model(images, mode='tensor')
        if model.with_head is False
        else model.head(model.extract_feat(images))
    )
