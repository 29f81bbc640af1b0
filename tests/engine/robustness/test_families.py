"""Suites over models of others: random weights of many families, end to end."""

import cv2
import numpy as np
import pytest
from mmengine.hub import get_config

from mmrobustprune.engine.robustness.runner import evaluate_config
from tests.engine.robustness.toys import random_weights, write_voc

ASKED = dict(corruptions=['impulse_noise', 'contrast'], severities=[4], workers=0)
DETECTORS = {
    'ssdlite': (
        'ssd/ssdlite_mobilenetv2-scratch_8xb24-600e_coco.py',
        {'model.bbox_head.num_classes': 2},
    ),
    'retinanet': ('retinanet/retinanet_r18_fpn_1x_coco.py', {'model.bbox_head.num_classes': 2}),
    'fcos': ('fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py', {'model.bbox_head.num_classes': 2}),
    'yolox': ('yolox/yolox_tiny_8xb8-300e_coco.py', {'model.bbox_head.num_classes': 2}),
    'faster-rcnn': (
        'faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py',
        {'model.roi_head.bbox_head.num_classes': 2},
    ),
    'rtmdet': ('rtmdet/rtmdet_tiny_8xb32-300e_coco.py', {'model.bbox_head.num_classes': 2}),
}
CLASSIFIERS = {
    'resnet': 'resnet/resnet18_8xb32_in1k.py',
    'mobilenet': 'mobilenet_v2/mobilenet-v2_8xb32_in1k.py',
    'vit': 'deit/deit-tiny_4xb256_in1k.py',
    'swin': 'swin_transformer/swin-tiny_16xb64_in1k.py',
    'efficientnet': 'efficientnet/efficientnet-b0_8xb32_in1k.py',
    'convnext': 'convnext/convnext-tiny_32xb128_in1k.py',
}


@pytest.mark.slow
@pytest.mark.parametrize('family', DETECTORS)
def test_a_detector_family_end_to_end(family, tmp_path):
    file, changes = DETECTORS[family]
    config = get_config(f'mmdet::{file}')
    pipeline = [
        dict(type='LoadImageFromFile'),
        dict(type='Resize', scale=(128, 128), keep_ratio=False),
        dict(type='LoadAnnotations', with_bbox=True),
        dict(
            type='PackDetInputs',
            meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'),
        ),
    ]
    config.merge_from_dict(dict(changes, log_level='ERROR', load_from=None, custom_hooks=[]))
    config.test_dataloader = dict(
        batch_size=3,
        num_workers=0,
        sampler=dict(type='DefaultSampler', shuffle=False),
        dataset=dict(
            type='VOCDataset',
            data_root=f'{write_voc(tmp_path / "voc")}/',
            ann_file='ImageSets/Main/test.txt',
            data_prefix=dict(sub_data_root=''),
            metainfo=dict(classes=('cat', 'dog')),
            test_mode=True,
            pipeline=pipeline,
        ),
    )
    config.test_evaluator = dict(type='VOCMetric', metric='mAP', eval_mode='area')
    results = evaluate_config(
        config, random_weights(config, tmp_path / 'random.pth'), tmp_path / 'out', ASKED
    )
    assert (
        len(results['cells']) == 2
        and results['metric'] == 'pascal_voc/AP50'
        and 0 <= results['P'] <= 1
    )
    assert (tmp_path / 'out' / 'cells' / 'contrast-4.npz').exists()


@pytest.mark.slow
@pytest.mark.parametrize('family', CLASSIFIERS)
def test_a_classifier_family_end_to_end(family, tmp_path):
    for index in range(6):
        folder = tmp_path / 'data' / 'abc'[index % 3]
        folder.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(
            str(folder / f'{index}.png'),
            np.random.default_rng(index).integers(0, 256, (70, 60, 3), dtype=np.uint8),
        )
    config = get_config(f'mmpretrain::{CLASSIFIERS[family]}')
    config.merge_from_dict(dict(log_level='ERROR', load_from=None, custom_hooks=[]))
    loader = config.test_dataloader
    loader.update(batch_size=3, num_workers=0, persistent_workers=False)
    loader.dataset = dict(
        type='CustomDataset', data_root=str(tmp_path / 'data'), pipeline=loader.dataset.pipeline
    )
    results = evaluate_config(
        config, random_weights(config, tmp_path / 'random.pth'), tmp_path / 'out', ASKED
    )
    assert (
        len(results['cells']) == 2
        and results['metric'] == 'accuracy/top1'
        and results['suite'] == 'imagenet-c-uncropped'
    )
    assert 0 <= results['P'] <= 100
