import pytest
import torch

pytest.importorskip('mmpretrain')
from torch import nn
from torch.nn import functional as F

from mmrobustprune.models.backbones import WideResNet
from mmrobustprune.models.necks import AdaptivePooling
from mmrobustprune.surgery import prune_channels


@pytest.mark.parametrize(
    'depth, width, params', [(16, 1, 174_416), (28, 4, 5_846_480), (28, 10, 36_472_784)]
)
def test_depths_and_sizes(depth, width, params):
    """With the classifier, 640 k + 10, these are 0.2, 5.8 and 36.5 M of arXiv 1605.07146."""
    net = WideResNet(depth, width)
    assert sum(p.numel() for p in net.parameters()) == params
    convs = [m for m in net.modules() if isinstance(m, nn.Conv2d)]
    shortcuts = 3 if width > 1 else 2
    assert len(convs) == depth - 3 + shortcuts and all(conv.bias is None for conv in convs)


def test_shapes():
    net = WideResNet(10, 2)
    assert [tuple(out.shape) for out in net(torch.randn(2, 3, 32, 32))] == [(2, 128, 8, 8)]
    assert net(torch.randn(1, 3, 64, 64))[0].shape == (1, 128, 16, 16)


def test_the_forward_written_out():
    torch.manual_seed(0)
    net = WideResNet(10, 2)
    for norm in (m for m in net.modules() if isinstance(m, nn.BatchNorm2d)):
        nn.init.uniform_(norm.weight, 0.5, 2)
        nn.init.normal_(norm.bias)
        nn.init.normal_(norm.running_mean)
        nn.init.uniform_(norm.running_var, 0.5, 2)
    net.eval()
    state, image = net.state_dict(), torch.randn(2, 3, 32, 32)

    def activated(x, name):
        parts = [
            state[f'{name}.{key}'] for key in ('running_mean', 'running_var', 'weight', 'bias')
        ]
        return F.relu(F.batch_norm(x, *parts))

    x = F.conv2d(image, state['conv1.weight'], padding=1)
    for stage, stride in ((1, 1), (2, 2), (3, 2)):
        block = f'layer{stage}.0'
        a = activated(x, f'{block}.bn1')
        inner = activated(
            F.conv2d(a, state[f'{block}.conv1.weight'], stride=stride, padding=1), f'{block}.bn2'
        )
        x = F.conv2d(inner, state[f'{block}.conv2.weight'], padding=1) + F.conv2d(
            a, state[f'{block}.shortcut.weight'], stride=stride
        )
    torch.testing.assert_close(net(image)[0], activated(x, 'bn'))


def test_half_of_its_channels_can_be_removed():
    net = nn.Sequential(WideResNet(10, 1), AdaptivePooling(1)).eval()
    structure = prune_channels(
        net, torch.randn(1, 3, 32, 32), 0.5, forward=lambda model, x: model(x)[0]
    )
    assert net[0].layer2[0].conv1.out_channels < 32 and len(structure.to_dict()['layers']) > 0


def test_other_depths_and_widths_are_refused():
    for depth in (20, 4, 27):
        with pytest.raises(ValueError, match='6n'):
            WideResNet(depth)
    with pytest.raises(ValueError, match='widen_factor=0 is below 1'):
        WideResNet(28, 0)


@pytest.mark.parametrize('channels', [1, 3, 4, 6])
def test_images_of_any_number_of_channels(channels):
    net = WideResNet(depth=10, widen_factor=1, in_channels=channels)
    net.eval()
    assert net(torch.rand(2, channels, 32, 32))[0].shape == (2, 64, 8, 8)
    first = next(module for module in net.modules() if isinstance(module, torch.nn.Conv2d))
    assert first.in_channels == channels
