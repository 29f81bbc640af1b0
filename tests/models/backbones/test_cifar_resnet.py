from pathlib import Path

import pytest
import torch

pytest.importorskip('mmpretrain')
from mmengine.registry import MODELS
from torch.nn import functional as F

from mmrobustprune.models.backbones import CIFARResNet, classifier_state

PUBLISHED = Path(__file__).parents[4] / 'shared' / 'data' / 'resnet20_cifar10_state_dict.pth'


def test_shapes_and_size_of_resnet20():
    net = CIFARResNet(20)
    assert [tuple(out.shape) for out in net(torch.randn(2, 3, 32, 32))] == [(2, 64, 8, 8)]
    learned = sum(p.numel() for p in net.parameters() if p.requires_grad)
    assert learned == 272_474 - 650                     # the published count less the classifier
    assert sum(p.numel() for p in net.parameters()) - learned == 16 * 32 + 32 * 64


def test_the_shortcut_is_every_second_pixel_with_zero_channels_around():
    net = CIFARResNet(8)
    net.init_weights()
    x = torch.randn(2, 16, 8, 8)
    expected = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 8, 8))
    assert torch.equal(net.layer2[0].shortcut(x), expected)
    assert not net.layer2[0].shortcut.weight.requires_grad


def test_another_depth_is_refused():
    for depth in (18, 2, 21):
        with pytest.raises(ValueError, match='6n'):
            CIFARResNet(depth)


def test_a_state_dict_of_another_depth_is_refused():
    with pytest.raises(ValueError, match="does not fit CIFARResNet\\(20\\) at 'backbone.conv1.weight'"):
        classifier_state({})


@pytest.mark.skipif(not PUBLISHED.exists(), reason=f'{PUBLISHED.name} is not there')
def test_the_published_resnet20_loads_into_a_classifier():
    model = MODELS.build(dict(
        type='mmpretrain.ImageClassifier', backbone=dict(type='mmrobustprune.CIFARResNet', depth=20),
        neck=dict(type='mmpretrain.GlobalAveragePooling'),
        head=dict(type='mmpretrain.LinearClsHead', num_classes=10, in_channels=64)))
    model.load_state_dict(classifier_state(torch.load(PUBLISHED, weights_only=True)))
    logits = model.eval()(torch.zeros(1, 3, 32, 32), mode='tensor')
    assert torch.isfinite(logits[0] if isinstance(logits, tuple) else logits).all()
