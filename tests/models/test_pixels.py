"""An mmpretrain classifier as a function of pixels in [0, 1]."""

import pytest
import torch
from mmengine.registry import MODELS, init_default_scope
from torch import nn

pytest.importorskip('mmpretrain')
import mmrobustprune.models  # noqa: F401  registers
from mmrobustprune.attack import FGSM
from mmrobustprune.models.pixels import Logits, pixel_classifier

STD = (50.0, 60.0, 70.0, 80.0, 90.0, 100.0)


def classifier(channels, classes=5, to_rgb=False):
    init_default_scope('mmpretrain')
    torch.manual_seed(0)
    preprocessor = dict(
        type='ClsDataPreprocessor',
        mean=[100.0 + i for i in range(channels)],
        std=STD[:channels],
        to_rgb=to_rgb,
    )
    return MODELS.build(
        dict(
            type='ImageClassifier',
            data_preprocessor=preprocessor,
            backbone=dict(type='mmrobustprune.CIFARResNet', depth=8, in_channels=channels),
            neck=dict(type='GlobalAveragePooling'),
            head=dict(type='LinearClsHead', num_classes=classes, in_channels=64),
        )
    ).eval()


@pytest.mark.parametrize('channels', [1, 3, 4, 6])
def test_pixels_become_what_the_network_sees_whatever_their_channels(channels):
    model = classifier(channels, to_rgb=channels == 3)
    x = torch.rand(2, channels, 16, 16)
    pixels = pixel_classifier(model)
    bgr = x.flip(1) if channels == 3 else x
    mean = torch.tensor([100.0 + i for i in range(channels)])[:, None, None]
    std = torch.tensor(STD[:channels])[:, None, None]
    expected = (255 * bgr - mean) / std
    assert torch.allclose(pixels.normalise(x), expected, atol=1e-5)
    assert torch.allclose(pixels(x), model(expected, mode='tensor'), atol=1e-5)
    stamp = FGSM(eps=0.5, space='normalised').stamp(pixels, x)
    assert stamp['eps_pixel'] == pytest.approx([0.5 * one / 255 for one in STD[:channels]])


def test_what_gives_no_logits_is_named():
    class Boxes(nn.Module):
        def forward(self, images, mode):
            return (images,)

    with pytest.raises(ValueError, match="Boxes gives no logits .N, classes. with mode='tensor'"):
        Logits(Boxes())(torch.ones(1, 3, 4, 4))
    with pytest.raises(ValueError, match='Boxes has no data_preprocessor'):
        pixel_classifier(Boxes())
