"""A two-stage detector, traced and rehearsed on few proposals, trained through its removal."""

import copy

import pytest
import torch

pytest.importorskip('mmdet')
from mmdet.apis import init_detector
from mmengine.hub import get_config
from mmengine.registry import RUNNERS

from mmrobustprune.dependency.partial import PartialForward
from mmrobustprune.engine.bridge.model import example_of_shape, forward_of, tensor_forward
from mmrobustprune.engine.gradual.hook import PrunePhaseHook
from mmrobustprune.models.pruned import without_pretrained
from mmrobustprune.structure.compare import FullPrecision, difference
from tests.support.tiny import detector, pruned

FASTER = 'mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py'


def two_stages():
    """A Faster R-CNN on a ResNet-18 of an eighth of its width, for the five shapes."""
    model = without_pretrained(get_config(FASTER).model.to_dict())
    model['backbone'].update(depth=18, base_channels=8, frozen_stages=-1, norm_eval=False)
    model['neck'].update(in_channels=[8, 16, 32, 64], out_channels=16)
    model['rpn_head'].update(in_channels=16, feat_channels=16)
    roi = model['roi_head']
    roi['bbox_roi_extractor']['out_channels'] = 16
    roi['bbox_head'].update(in_channels=16, fc_out_channels=32, num_classes=5)
    model['train_cfg']['rpn_proposal'].update(nms_pre=200, max_per_img=100)
    model['test_cfg']['rpn'].update(nms_pre=200, max_per_img=120)
    return model


@torch.no_grad()
def outputs(model):
    """Of both stages in double precision, the second on all 120 boxes of a test."""
    model = copy.deepcopy(model).double().eval()
    with FullPrecision():
        return tensor_forward(model, example_of_shape(model, 64, 64))


@pytest.mark.slow
@pytest.mark.parametrize('recipe', ['adasap', 'taylor'])
def test_what_is_removed_is_what_was_masked_on_every_proposal(tmp_path, monkeypatch, recipe):
    remove = PrunePhaseHook._remove
    differences = []
    layers = set()

    def compared(hook, runner):
        masked = copy.deepcopy(runner.model)
        remove(hook, runner)
        if hook.structure is not None and not differences:
            differences.append(difference(outputs(masked), outputs(runner.model)))
            layers.update(hook.structure.layers)

    monkeypatch.setattr(PrunePhaseHook, '_remove', compared)
    config = detector(tmp_path / 'work', tmp_path / 'data', epochs=3)
    config.model = two_stages()
    runner = RUNNERS.build(pruned(config, recipe=recipe, target=0.4, scope='layer', recalibrate=''))
    forward = forward_of(runner.model)
    assert isinstance(forward, PartialForward)
    assert len(forward(runner.model, example_of_shape(runner.model, 64, 64))[1][0]) == 8
    before = sum(parameter.numel() for parameter in runner.model.parameters())
    runner.train()
    assert len(outputs(runner.model)[1][0]) == 120
    (found,) = differences
    assert found < 1e-10
    after = sum(parameter.numel() for parameter in runner.model.parameters())
    assert 0.4 <= 1 - after / before < 0.45
    assert {'backbone.conv1', 'rpn_head.rpn_conv'} <= layers
    files = [str(tmp_path / 'work' / name) for name in ('pruned.py', 'pruned.pth')]
    loaded = init_detector(*files, device='cpu', palette='random')
    assert difference(outputs(runner.model), outputs(loaded)) == 0
