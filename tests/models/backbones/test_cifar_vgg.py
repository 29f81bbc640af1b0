import pytest
import torch

pytest.importorskip('mmpretrain')
from mmengine.registry import MODELS
from torch import nn

from mmrobustprune.models.backbones import CIFARVGG

VGG = dict(  # every scope written out: tests before this one may have set another default
    type='mmpretrain.ImageClassifier',
    data_preprocessor=dict(type='mmpretrain.ClsDataPreprocessor'),
    backbone=dict(type='mmrobustprune.CIFARVGG', depth=16),
    neck=dict(type='mmpretrain.GlobalAveragePooling'),
    head=dict(
        type='mmpretrain.LinearClsHead',
        num_classes=10,
        in_channels=512,
        loss=dict(type='mmpretrain.CrossEntropyLoss'),
    ),
)


@pytest.mark.parametrize(
    'depth, layers, params',
    [(11, 8, 9_225_984), (13, 10, 9_410_880), (16, 13, 14_723_136), (19, 16, 20_035_392)],
)
def test_depths_and_sizes(depth, layers, params):
    """As many convolutions as the name says, less the three linear layers; sizes of torchvision's
    vgg*_bn features.
    """
    net = CIFARVGG(depth)
    assert sum(isinstance(m, nn.Conv2d) for m in net.modules()) == layers
    assert sum(p.numel() for p in net.parameters()) == params


def test_shapes_and_state_dict():
    net = CIFARVGG(16)
    assert [tuple(out.shape) for out in net(torch.randn(2, 3, 32, 32))] == [(2, 512, 1, 1)]
    assert net(torch.randn(2, 3, 64, 64))[0].shape == (2, 512, 2, 2)
    state = net.state_dict()
    assert state['stage1.conv1.weight'].shape == (64, 3, 3, 3) and state[
        'stage5.conv3.bias'
    ].shape == (512,)
    assert len(state) == 13 * 2 + 13 * 5
    other = CIFARVGG(16)
    other.load_state_dict(state)
    x = torch.randn(2, 3, 32, 32)
    assert torch.equal(net(x)[0], other(x)[0])


def test_a_classifier_of_it():
    model = MODELS.build(VGG)
    assert sum(p.numel() for p in model.parameters()) == 14_728_266
    assert model.eval()(torch.randn(2, 3, 32, 32), mode='tensor').shape == (2, 10)


def test_the_form_of_hydra():
    """4 pools and no bias: 14,710,464 convolution weights and 8,448 of the norms."""
    net = CIFARVGG(16, bias=False, pools=4)
    assert sum(p.numel() for p in net.parameters()) == 14_710_464 + 8_448
    assert net(torch.randn(2, 3, 32, 32))[0].shape == (2, 512, 2, 2)
    assert CIFARVGG(11, pools=0)(torch.randn(1, 3, 16, 16))[0].shape == (1, 512, 16, 16)


def test_another_depth_or_number_of_pools_is_refused():
    with pytest.raises(ValueError, match='choose 11, 13, 16, 19'):
        CIFARVGG(12)
    with pytest.raises(ValueError, match='pools=6 is not among 0 to 5'):
        CIFARVGG(16, pools=6)


@pytest.mark.parametrize('channels', [1, 3, 4, 6])
def test_images_of_any_number_of_channels(channels):
    net = CIFARVGG(depth=11, in_channels=channels)
    net.eval()
    assert net(torch.rand(2, channels, 32, 32))[0].shape == (2, 512, 1, 1)
    first = next(module for module in net.modules() if isinstance(module, torch.nn.Conv2d))
    assert first.in_channels == channels
