"""Weights of others give the same logits under our names."""

import re

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

pytest.importorskip('mmpretrain')
from mmengine.registry import MODELS

import mmrobustprune.engine  # noqa: F401
from mmrobustprune.models.backbones import published_state

IMAGE = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def classifier(backbone, features, classes=10):
    head = dict(type='mmpretrain.LinearClsHead', num_classes=classes, in_channels=features)
    return MODELS.build(
        dict(
            type='mmpretrain.ImageClassifier',
            backbone=backbone,
            neck=dict(type='mmpretrain.GlobalAveragePooling'),
            head=head,
        )
    ).eval()


def shaken(model):
    """Every channel of its own."""
    generator = torch.Generator().manual_seed(1)
    for name, value in model.state_dict().items():
        if name.endswith('running_var'):
            value.uniform_(0.5, 2, generator=generator)
        elif value.is_floating_point():
            value.normal_(0, value[:1].numel() ** -0.5, generator=generator)
    return model.eval()


def agree(theirs, published, ours):
    ours.load_state_dict(published_state(published, ours))
    logits = ours(IMAGE)
    assert (logits - theirs).abs().max() < 1e-4 * (theirs - theirs.mean()).abs().max()


class BothSides(nn.Module):
    """Every second pixel, half of the new channels before and half behind the old ones."""

    def forward(self, x):
        part = x.shape[1] // 2
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, part, part))


def thin_resnet():
    return classifier(dict(type='mmrobustprune.CIFARResNet', depth=14), 64)


def test_shortcuts_that_pad_on_both_sides():
    other = shaken(thin_resnet())
    for stage in (other.backbone.layer2, other.backbone.layer3):
        stage[0].shortcut = BothSides()
    names = {r'^backbone\.': 'module.', r'^head\.fc': 'module.linear'}
    published = {}
    for name, value in other.state_dict().items():
        for pattern, new in names.items():
            name = re.sub(pattern, new, name)
        if not name.endswith('num_batches_tracked'):
            published[name] = value
    agree(other(IMAGE), published, thin_resnet())


def test_names_of_stages():
    other = shaken(thin_resnet())
    for stage in (other.backbone.layer2, other.backbone.layer3):
        stage[0].shortcut.reset_parameters()
    published = {}
    for name, value in other.state_dict().items():
        name = re.sub(r'^backbone\.layer(\d)', r'stage_\1', name.replace('head.fc', 'classifier'))
        name = re.sub(r'\.(conv|bn)1\.', r'.\1_a.', name) if 'stage' in name else name
        name = re.sub(r'\.(conv|bn)2\.', r'.\1_b.', name)
        name = name.replace('backbone.conv1', 'conv_1_3x3').replace('backbone.bn1', 'bn_1')
        if 'shortcut' not in name:
            published[name] = value
    agree(other(IMAGE), published, thin_resnet())


def test_a_sequential_vgg():
    ours = classifier(dict(type='mmrobustprune.CIFARVGG', depth=11), 512)
    layers = [m for m in ours.backbone.modules() if not [*m.children()]]
    features = shaken(nn.Sequential(*torchvision.models.vgg11_bn().features))
    linear = nn.Linear(512, 10)
    assert len(layers) == len(features)
    published = {f'features.{name}': value for name, value in features.state_dict().items()}
    published |= {f'classifier.{name}': value for name, value in linear.state_dict().items()}
    agree(linear(features(IMAGE).flatten(1)), published, ours)


@pytest.fixture(scope='module')
def resnet50():
    ours = classifier(dict(type='mmpretrain.ResNet', depth=50), 2048, 7)
    return torchvision.models.resnet50(num_classes=7).eval(), ours


def test_torchvisions_resnet(resnet50):
    theirs, ours = resnet50
    agree(theirs(IMAGE), theirs.state_dict(), ours)


@pytest.mark.parametrize(
    'change, said',
    [
        (
            lambda state: state.pop('layer1.0.conv1.weight'),
            "'backbone.layer1.0.conv1.weight' .*file not",
        ),
        (lambda state: state.update(x=torch.zeros(1)), "'backbone.x' .* in the network not there"),
        (
            lambda state: state.update({'fc.bias': torch.zeros(9)}),
            r"'head.fc.bias' .*\(9,\).*\(7,\)",
        ),
    ],
)
def test_what_does_not_fit_is_said_in_one_sentence(resnet50, change, said):
    theirs, ours = resnet50
    state = dict(theirs.state_dict())
    change(state)
    with pytest.raises(ValueError, match=said):
        published_state(state, ours)


def test_another_network_is_refused():
    model = nn.Module()
    model.backbone = nn.Linear(1, 1)
    with pytest.raises(ValueError, match='no published weights are known for a Linear; give'):
        published_state({}, model)
