"""The forwards in which the structure of detectors shows."""

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.hub import get_config
from mmengine.registry import MODELS, init_default_scope

from mmrobustprune.copies import copied
from mmrobustprune.dependency.recording import tensors_in
from mmrobustprune.dependency.tracing import trace
from mmrobustprune.engine.bridge.forwards import everywhere, logits_of, spread_boxes
from mmrobustprune.engine.bridge.model import example_of_shape, forward_of, tensor_forward
from mmrobustprune.models.pruned import without_pretrained
from mmrobustprune.surgery import prune_channels


def test_boxes_lie_in_the_image():
    boxes = spread_boxes(torch.zeros(1, 3, 64, 96), 100)
    assert boxes.shape == (100, 4) and (boxes >= 0).all()
    assert (boxes[:, 2] > boxes[:, 0]).all() and (boxes[:, 3] > boxes[:, 1]).all()
    assert boxes[:, 2].max() <= 96 and boxes[:, 3].max() <= 64


def detector(path):
    """A mmdet model of random weights on a ResNet-18."""
    init_default_scope('mmdet')
    config = without_pretrained(get_config(f'mmdet::{path}').model.to_dict())
    config['backbone'].update(depth=18)
    config['neck']['in_channels'] = [64, 128, 256, 512]
    if config.get('roi_head', {}).get('num_stages') == 6:  # six alike
        config['roi_head']['num_stages'] = 2
        for heads in ('bbox_head', 'mask_head', 'stage_loss_weights'):
            config['roi_head'][heads] = config['roi_head'].get(heads, [])[:2] or None
    torch.manual_seed(0)
    return MODELS.build(ConfigDict(config)).eval()


CASES = dict(
    sparse='sparse_rcnn/sparse-rcnn_r50_fpn_1x_coco.py',
    sparse_masks='queryinst/queryinst_r50_fpn_1x_coco.py',
    cascade_rpn='cascade_rpn/cascade-rpn_faster-rcnn_r50-caffe_fpn_1x_coco.py',
    guided_anchors='guided_anchoring/ga-retinanet_r50_fpn_1x_coco.py',
    points='point_rend/point-rend_r50-caffe_fpn_ms-1x_coco.py',
    first_stage='rpn/rpn_r50_fpn_1x_coco.py',
    panoptic='panoptic_fpn/panoptic-fpn_r50_fpn_1x_coco.py',
)


@pytest.mark.slow
@pytest.mark.parametrize('path', CASES.values(), ids=CASES)
def test_every_layer_runs_and_a_part_is_removed(path):
    model = detector(path)
    example = example_of_shape(model, 128, 128, forward_of(model))
    found = trace(model, example, forward_of(model))
    still = [name for name, why in found.unprunable.items() if 'did not run' in why]
    assert all(name.endswith('attn.out_proj') for name in still)  # its weights are used directly
    before = sum(p.numel() for p in model.parameters())
    prune_channels(model, example, 0.2, budget='params', forward=forward_of(model))
    assert sum(p.numel() for p in model.parameters()) < 0.81 * before


@pytest.mark.parametrize(
    'path', ['solo/solo_r50_fpn_1x_coco.py', 'solov2/solov2-light_r50_fpn_ms-3x_coco.py']
)
def test_grids_are_traced_small_and_counted_whole(path):
    model = detector(path)
    grids = model.mask_head.num_grids
    example = example_of_shape(model, 64, 64, forward_of(model))
    found = trace(model, example, forward_of(model))
    layer = next(name for name in found.shapes if name.startswith('mask_head.cls_convs.'))
    assert found.shapes[layer] == sum(side**2 for side in grids)
    assert model.mask_head.num_grids is grids
    small = tensors_in(forward_of(model)(model, example))
    whole = tensors_in(tensor_forward(model, example))
    assert sum(one.numel() for one in small) < sum(one.numel() for one in whole)


def test_masks_that_a_head_merges_are_outputs():
    """The last layer of a cascade's mask heads keeps its classes, and the certificate sees it."""
    model = detector('cascade_rcnn/cascade-mask-rcnn_r50_fpn_1x_coco.py')
    example = example_of_shape(model, 64, 64, forward_of(model))
    masks = forward_of(model)(model, example)[2]
    assert [tuple(mask.shape) for mask in masks] == 3 * [(8, 80, 28, 28)]
    assert all(mask.grad_fn is not None for mask in masks)
    with logits_of(model) as none:
        pass
    assert none == [] and not any(layer._forward_hooks for layer in model.modules())


def test_a_branch_of_the_loss_alone_is_traced():
    model = detector('yolact/yolact_r50_1xb8-55e_coco.py')
    example = example_of_shape(model, 128, 128, forward_of(model))
    found = trace(model, example, forward_of(model))
    why = found.unprunable['mask_head.segm_branch.segm_conv']
    assert why == 'it is an output of the model' and not model.mask_head.training
    copied(model)  # priors and masks of the pass are kept in it


def test_guided_anchors_are_computed_everywhere():
    model = detector(CASES['guided_anchors'])
    example = example_of_shape(model, 64, 64, forward_of(model))
    outputs = tensors_in(forward_of(model)(model, example))
    model.train()
    model.backbone.eval()
    for ours, theirs in zip(outputs, tensors_in(model(**example, mode='tensor')), strict=True):
        assert torch.equal(ours, theirs)
    with everywhere(model):
        assert sum(bool(layer._forward_pre_hooks) for layer in model.modules()) == 2
    assert not any(layer._forward_pre_hooks for layer in model.modules())


def test_an_embedding_is_pruned_with_the_head_that_reads_it():
    """Its angles are those of the masked network; a test gives the embedding alone."""
    init_default_scope('mmpretrain')
    head = dict(type='ArcFaceClsHead', num_classes=5, in_channels=512, num_subcenters=2)
    encoder = [dict(type='ResNet', depth=18), dict(type='GlobalAveragePooling')]
    config = dict(image_encoder=encoder, head=head, prototype=torch.zeros(3, 512))
    model = MODELS.build(dict(type='ImageToImageRetriever', **config)).eval()
    forward = forward_of(model)
    example = example_of_shape(model, 64, 64)
    assert forward(model, example).shape == (1, 5)
    structure = prune_channels(model, example, 0.5, forward=forward)
    kept = len(structure.layers['head.norm_product']['in'])
    assert kept < 512 and model.head.norm_product.weight.shape == (10, kept)
    assert [one.shape for one in tensors_in(tensor_forward(model, example))] == [(1, kept)]
    head_less = MODELS.build(dict(type='ImageToImageRetriever', **dict(config, head=None)))
    found = trace(head_less.eval(), example, forward)
    assert 'image_encoder.0.layer4.1.conv2' in found.unprunable
