import pytest
import torch

pytest.importorskip('mmpretrain')
from torch import nn

from mmrobustprune.cost.count import count
from mmrobustprune.models.backbones import MobileNetV1
from mmrobustprune.models.necks import AdaptivePooling
from mmrobustprune.surgery import prune_channels


@pytest.mark.parametrize(
    'width, params, printed',
    [(1.0, 4_231_976, 4.2), (0.75, 2_585_560, 2.6), (0.5, 1_331_592, 1.3), (0.25, 470_072, 0.5)],
)
def test_sizes_with_a_thousand_classes(width, params, printed):
    """Against the millions that arXiv 1704.04861, table 7, prints."""
    net = MobileNetV1(width)
    classifier = (int(1024 * width) + 1) * 1000
    total = sum(p.numel() for p in net.parameters()) + classifier
    assert total == params and round(total / 1e6, 1) == printed


def test_cost_and_layers():
    """569 million multiply-adds at 224 pixels; 27 convolutions, 13 of them depthwise."""
    net = nn.Sequential(MobileNetV1())
    cost = count(net, torch.zeros(1, 3, 224, 224))
    assert round((cost.macs + 1024 * 1000) / 1e6) == 569
    convs = [m for m in net.modules() if isinstance(m, nn.Conv2d)]
    assert len(convs) == 27 and sum(conv.groups > 1 for conv in convs) == 13


def test_shapes():
    assert [tuple(out.shape) for out in MobileNetV1(0.25)(torch.randn(2, 3, 64, 64))] == [
        (2, 256, 2, 2)
    ]
    small = MobileNetV1(0.5, strides=(1, 1, 1, 2, 2, 2))
    assert small(torch.randn(2, 3, 32, 32))[0].shape == (2, 512, 4, 4)


def test_depthwise_layers_shrink_with_their_neighbours():
    net = nn.Sequential(MobileNetV1(0.25), AdaptivePooling(1)).eval()
    prune_channels(net, torch.randn(1, 3, 64, 64), 0.5, forward=lambda model, x: model(x)[0])
    convs = [m for m in net.modules() if isinstance(m, nn.Conv2d)]
    assert all(conv.groups in (1, conv.in_channels) for conv in convs)
    dense = [m for m in MobileNetV1(0.25).modules() if isinstance(m, nn.Conv2d)]
    assert sum(conv.out_channels for conv in convs) < 0.7 * sum(conv.out_channels for conv in dense)
    assert net(torch.randn(1, 3, 64, 64))[0].shape == (1, 256)


def test_what_is_refused():
    with pytest.raises(ValueError, match='widen_factor=0 is not above 0'):
        MobileNetV1(0)
    with pytest.raises(ValueError, match=r'strides=\(1, 2\) are not 6 numbers'):
        MobileNetV1(strides=(1, 2))


@pytest.mark.parametrize('channels', [1, 3, 4, 6])
def test_images_of_any_number_of_channels(channels):
    net = MobileNetV1(widen_factor=0.25, in_channels=channels)
    net.eval()
    assert net(torch.rand(2, channels, 32, 32))[0].shape == (2, 256, 1, 1)
    first = next(module for module in net.modules() if isinstance(module, torch.nn.Conv2d))
    assert first.in_channels == channels
