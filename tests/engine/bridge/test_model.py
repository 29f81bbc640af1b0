"""The forward call that traces, counts and certifies."""

import torch
from mmengine.config import ConfigDict
from mmengine.registry import MODELS, init_default_scope

from mmrobustprune.engine.bridge.model import example_of_shape, spread_boxes, tensor_forward
from mmrobustprune.models.pruned import without_pretrained
from mmrobustprune.surgery import prune_channels


def test_boxes_lie_in_the_image():
    boxes = spread_boxes(torch.zeros(1, 3, 64, 96), 100)
    assert boxes.shape == (100, 4) and (boxes >= 0).all()
    assert (boxes[:, 2] > boxes[:, 0]).all() and (boxes[:, 3] > boxes[:, 1]).all()
    assert boxes[:, 2].max() <= 96 and boxes[:, 3].max() <= 64


def test_a_two_stage_detector_is_pruned_to_a_certificate():
    from mmengine.hub import get_config

    init_default_scope('mmdet')
    config = without_pretrained(
        get_config('mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py').model.to_dict()
    )
    config['backbone'].update(depth=18)
    config['neck']['in_channels'] = [64, 128, 256, 512]
    config['test_cfg']['rpn']['max_per_img'] = 20
    torch.manual_seed(0)
    model = MODELS.build(ConfigDict(config))
    before = sum(p.numel() for p in model.parameters())
    structure = prune_channels(
        model, example_of_shape(model, 64, 64), 0.3, budget='params', forward=tensor_forward
    )
    after = sum(p.numel() for p in model.parameters())
    assert 0.3 <= 1 - after / before <= 0.31 and 'rpn_head.rpn_conv' in structure.layers
