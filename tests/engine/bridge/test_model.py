"""The forward calls that trace, certify and count, and the images that they take."""

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.hub import get_config
from mmengine.registry import MODELS, init_default_scope
from torch import nn

from mmrobustprune.cost.count import count
from mmrobustprune.dependency.partial import PartialForward
from mmrobustprune.dependency.tracing import trace
from mmrobustprune.engine.bridge.model import (
    example_batch,
    example_of_shape,
    forward_of,
    input_channels,
    is_two_stage,
    tensor_forward,
    unwrap,
)
from mmrobustprune.models.pruned import without_pretrained
from mmrobustprune.surgery import prune_channels


def detector(path, boxes=None):
    """A mmdet model of random weights on a ResNet-18, with fewer boxes in a test."""
    init_default_scope('mmdet')
    config = without_pretrained(get_config(f'mmdet::{path}').model.to_dict())
    config['backbone'].update(depth=18)
    config['neck']['in_channels'] = [64, 128, 256, 512]
    if boxes:
        config['test_cfg']['rpn']['max_per_img'] = boxes
    torch.manual_seed(0)
    return MODELS.build(ConfigDict(config)).eval()


FASTER = 'faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py'


def test_a_two_stage_detector_is_pruned_to_a_certificate():
    model = detector(FASTER)
    before = sum(p.numel() for p in model.parameters())
    example = example_of_shape(model, 64, 64)
    structure = prune_channels(
        model, example, 0.3, budget='params', scope='layer', forward=forward_of(model)
    )
    after = sum(p.numel() for p in model.parameters())
    assert 0.3 <= 1 - after / before <= 0.31 and 'rpn_head.rpn_conv' in structure.layers


@pytest.mark.parametrize(
    'path', [FASTER, 'mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py'], ids=['boxes', 'masks']
)
def test_few_boxes_give_the_structure_and_the_costs_of_all(path):
    """Masks are of the first 100 boxes alone."""
    model = detector(path, boxes=120)
    example = example_of_shape(model, 64, 64)
    forward = forward_of(model)
    assert isinstance(forward, PartialForward) and is_two_stage(model)
    assert len(forward(model, example)[1][0]) == 8
    assert len(tensor_forward(model, example)[1][0]) == 120
    few = trace(model, example, forward)
    every = trace(model, example, tensor_forward)
    assert few.shapes == every.shapes and few.unprunable == every.unprunable
    assert [group.explain() for group in few.groups] == [group.explain() for group in every.groups]
    assert count(model, example, forward) == count(model, example, tensor_forward)


def test_other_models_give_their_raw_outputs():
    model = detector('retinanet/retinanet_r18_fpn_1x_coco.py')
    assert not is_two_stage(model)
    example = example_of_shape(model, 64, 64)
    ours = forward_of(model)(model, example)
    theirs = model(**example, mode='tensor')
    assert all(map(torch.equal, ours[0] + ours[1], theirs[0] + theirs[1]))


def classifier(backbone, **head):
    init_default_scope('mmpretrain')
    return MODELS.build(
        dict(
            type='ImageClassifier',
            backbone=backbone,
            head=dict(dict(type='LinearClsHead', num_classes=2, in_channels=512), **head),
        )
    ).eval()


@pytest.mark.parametrize('channels', [1, 3, 4, 6])
def test_examples_have_the_channels_that_the_network_reads(channels):
    model = classifier(dict(type='ResNet', depth=18, in_channels=channels))
    drawn = torch.get_rng_state()
    example = example_of_shape(model, 32, 40)
    assert example['inputs'].shape == (1, channels, 32, 40)
    assert example_batch(model, 32, 40, 3)['inputs'].shape == (3, channels, 32, 40)
    assert torch.equal(drawn, torch.get_rng_state())
    assert not [module for module in model.modules() if module._forward_pre_hooks]


def test_examples_of_networks_that_slice_their_images_first():
    """YOLOX's first convolution reads 12 channels, four pixels of three each."""
    init_default_scope('mmdet')
    config = without_pretrained(get_config('mmdet::yolox/yolox_tiny_8xb8-300e_coco.py').model)
    model = MODELS.build(config)
    assert model.backbone.stem.conv.conv.in_channels == 12
    assert input_channels(model, 64, 64) == 3


def test_examples_of_networks_of_patches():
    backbone = dict(type='VisionTransformer', arch='deit-t', img_size=32, in_channels=5)
    head = dict(type='VisionTransformerClsHead', in_channels=192)
    assert input_channels(classifier(backbone, **head), 32, 32) == 5


def test_the_network_in_a_wrapper():
    from mmengine.model import MMDistributedDataParallel

    inner = nn.Linear(1, 1)
    wrapper = MMDistributedDataParallel.__new__(MMDistributedDataParallel)
    nn.Module.__init__(wrapper)
    wrapper.module = inner
    assert unwrap(wrapper) is inner and unwrap(inner) is inner
