"""mmdet's families train and predict on the stand-in as on mmcv's compiled operators."""

import copy
import random

import numpy as np
import pytest
import torch
from mmengine.hub import get_config
from mmengine.registry import init_default_scope

import mmrobustprune.compat.fixes  # noqa: F401  mmdet's SSD does not predict without
from tests.support.mmcv_ops import IS_COMPILED, standing_in

FAMILIES = {
    'ssd': ('ssd/ssdlite_mobilenetv2-scratch_8xb24-600e_coco.py', 320),
    'retinanet': ('retinanet/retinanet_r18_fpn_1x_coco.py', 64),
    'faster_rcnn': ('faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py', 64),
    'mask_rcnn': ('mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py', 64),
    'dcn': ('dcn/faster-rcnn_r50-dconv-c3-c5_fpn_1x_coco.py', 96),
    'dcnv2': ('dcnv2/faster-rcnn_r50-mdconv-c3-c5_fpn_1x_coco.py', 64),
    'yolox': ('yolox/yolox_tiny_8xb8-300e_coco.py', 64),
    'rtmdet': ('rtmdet/rtmdet_tiny_8xb32-300e_coco.py', 64),
    'solo': ('solo/solo_r50_fpn_1x_coco.py', 64),
    'detr': ('detr/detr_r50_8xb2-150e_coco.py', 64),
    'deformable_detr': ('deformable_detr/deformable-detr_r50_16xb2-50e_coco.py', 64),
    'yolact': ('yolact/yolact_r50_1xb8-55e_coco.py', 138),
    'gfl': ('gfl/gfl_r50_fpn_1x_coco.py', 64),
}
ONLY_HERE = {  # mmcv compiles what these need for GPUs alone
    'carafe': ('carafe/faster-rcnn_r50_fpn-carafe_1x_coco.py', 64),
    'deformable_pooling': ('dcn/faster-rcnn_r50_fpn_dpool_1x_coco.py', 64),
}


def build(name):
    """The model, and two images with what is on them."""
    from mmdet.registry import MODELS
    from mmdet.testing import demo_mm_inputs
    from mmdet.utils import register_all_modules

    register_all_modules(init_default_scope=False)
    init_default_scope('mmdet')
    path, side = {**FAMILIES, **ONLY_HERE}[name]
    config = get_config(f'mmdet::{path}').model
    config.backbone.init_cfg = None
    config.data_preprocessor.pop('batch_augments', None)  # they ask for the iteration
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    model = MODELS.build(config)
    for module in model.modules():
        if 'DeformConv2dPack' in type(module).__name__:  # they begin without an offset
            torch.nn.init.normal_(module.conv_offset.weight, std=0.02)
    masks = config.data_preprocessor.get('pad_mask', False)
    return model, demo_mm_inputs(2, [[3, side, side]] * 2, [3, 2], num_classes=80, with_mask=masks)


def step(model, data):
    """Losses, gradients and predictions of a copy of the model."""
    model = copy.deepcopy(model)
    torch.manual_seed(1)
    np.random.seed(1)
    inputs = model.data_preprocessor(copy.deepcopy(data), True)
    losses = model(**inputs, mode='loss')
    total, losses = model.parse_losses(losses)
    total.backward()
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    model.eval()
    with torch.no_grad():
        inputs = model.data_preprocessor(copy.deepcopy(data), False)
        found = [one.pred_instances for one in model(**inputs, mode='predict')]
    return losses, gradients, [dict(scores=one.scores, labels=one.labels) for one in found]


@pytest.mark.slow
@pytest.mark.parametrize('name', [*FAMILIES, *ONLY_HERE])
def test_a_family_trains_and_predicts(name):
    model, data = build(name)
    with standing_in():
        losses, gradients, predictions = step(model, data)
    assert all(torch.isfinite(loss) for loss in losses.values())
    assert gradients and all(gradient.isfinite().all() for gradient in gradients.values())
    if IS_COMPILED and name in FAMILIES:
        expected = step(model, data)
        for found, value in zip((losses, predictions), (expected[0], expected[2]), strict=True):
            torch.testing.assert_close(found, value, rtol=1e-4, atol=1e-5)
        assert gradients.keys() == expected[1].keys()
        for key, gradient in gradients.items():
            error = (gradient - expected[1][key]).norm()
            assert error <= 1e-3 * expected[1][key].norm() + 1e-6, key
