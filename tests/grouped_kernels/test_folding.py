"""Where an order may be folded, and where it must not be."""

import copy

import pytest
import torch
from torch import nn

from mmrobustprune.grouped_kernels import mask_kernels
from mmrobustprune.grouped_kernels.folding import find_folds
from mmrobustprune.surgery import GroupedKernelConv2d, prune_grouped_kernels
from tests.support.resnets import Basic, settle


class Around(nn.Module):
    """conv a -> something -> conv b."""

    def __init__(self, between, **parts):
        super().__init__()
        self.a, self.b = nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        for name, part in parts.items():
            setattr(self, name, part)
        self.between = between

    def forward(self, x):
        return self.b(self.between(self, self.a(x)))


FOLDED = {
    'nothing': Around(lambda m, y: y),
    'functions': Around(lambda m, y: torch.relu(nn.functional.max_pool2d(y, 2)).contiguous()),
    'norm': Around(lambda m, y: m.bn(y).relu_(), bn=nn.BatchNorm2d(8)),
    'norm without affine': Around(lambda m, y: m.bn(y), bn=nn.BatchNorm2d(8, affine=False)),
    'dropout': Around(lambda m, y: m.drop(y), drop=nn.Dropout(0.5)),
    'one slope': Around(lambda m, y: m.act(y), act=nn.PReLU()),
    'control flow on numbers': Around(
        lambda m, y: m.bn(y) if m.training else m.bn(y).relu(), bn=nn.BatchNorm2d(8)
    ),
}
UNDONE = {
    'sum': Around(lambda m, y: y + y.roll(1, 1)),
    'other input': Around(lambda m, y: y * m.scale, scale=nn.Parameter(torch.rand(8, 1, 1))),
    'layer norm over channels': Around(lambda m, y: m.norm(y), norm=nn.GroupNorm(2, 8)),
    'flip': Around(lambda m, y: y.flip(1)),
    'linear over the width': Around(lambda m, y: m.fc(y), fc=nn.Linear(8, 8)),
    'called twice': Around(lambda m, y: m.a(y)),
    'norm called twice': Around(lambda m, y: m.bn(m.bn(y)), bn=nn.BatchNorm2d(8)),
    'weight read elsewhere': Around(lambda m, y: y + m.b.weight.mean()),
    'shuffle': Around(lambda m, y: m.s(y), s=nn.ChannelShuffle(2)),
}


@pytest.mark.parametrize('net', FOLDED.values(), ids=FOLDED)
def test_folded(net):
    check(net, undone=False)


@pytest.mark.parametrize('net', UNDONE.values(), ids=UNDONE)
def test_undone(net):
    check(net, undone=True)


def check(net, undone, layers=('a',)):
    net = settle(copy.deepcopy(net))
    dense, image = copy.deepcopy(net), torch.randn(2, 8, 8, 8, dtype=torch.float64)
    structure = prune_grouped_kernels(net, 0.5, 4, list(layers))
    assert (net(image) - mask_kernels(dense, structure)(image)).abs().max() < 1e-10
    assert structure.layers['a']['restored'] is undone and (net.a.out_index is not None) is undone


def test_parts_of_a_network_that_cannot_be_traced_are_folded():
    class Choosy(nn.Module):
        def __init__(self):
            super().__init__()
            self.blocks = nn.ModuleList([Basic(8, 8), Basic(8, 8)])
            self.seen = []

        def forward(self, x):
            for block in self.blocks:
                x = block(x)
                self.seen.append(x)  # must not be left behind
                if x.sum() > 1e9:
                    return x
            return x

    net = settle(Choosy())
    structure = prune_grouped_kernels(net, 0.5, 4)
    assert net.seen == []
    convs = [module for module in net.modules() if isinstance(module, GroupedKernelConv2d)]
    assert [conv.out_index is None for conv in convs] == [True, False] * 2
    assert structure.layers['blocks.1.bn_a']['out'] == structure.layers['blocks.1.conv_b']['in']


def test_what_cannot_be_traced_at_all_keeps_both_gathers():
    class Untraceable(Basic):
        def forward(self, x):
            return super().forward(x) if x.sum() > 0 else super().forward(-x)

    net = settle(Untraceable(8, 8))
    dense, image = copy.deepcopy(net), torch.randn(2, 8, 8, 8, dtype=torch.float64)
    assert find_folds(net, ['conv_a', 'conv_b']) == {}
    structure = prune_grouped_kernels(net, 0.5, 4)
    assert (net(image) - mask_kernels(dense, structure)(image)).abs().max() < 1e-10
    assert list(structure.layers) == ['conv_a', 'conv_b']


def test_layers_in_two_places_or_with_shared_tensors_are_left():
    net = Around(lambda m, y: m.bn(y), bn=nn.BatchNorm2d(8))
    assert find_folds(net, ['a'])['a'].through == ('bn',)
    net.alias = net.bn
    assert find_folds(net, ['a']) == {}
    net = Around(lambda m, y: m.bn(y), bn=nn.BatchNorm2d(8), other=nn.BatchNorm2d(8))
    net.other.bias = net.bn.bias
    assert find_folds(net, ['a']) == {}


def test_a_fixed_shortcut_is_not_rewritten():
    class Fixed(nn.Conv2d):
        fixed = True

    net = Around(lambda m, y: y)
    net.b = Fixed(8, 8, 1, bias=False)
    assert find_folds(net, ['a']) == {}
    with pytest.raises(ValueError, match='no convolution'):
        prune_grouped_kernels(nn.Sequential(Fixed(8, 8, 3)), 0.5, 4)


def test_use_from_outside_is_found_with_an_example():
    class Peeks(nn.Module):
        """One of the inner block's layers is used once more, where tracing cannot see it."""

        def __init__(self):
            super().__init__()
            self.block = Basic(8, 8)

        def forward(self, x):
            if x.sum() < -1e9:
                return x
            return (
                self.block(x)
                + self.block.conv_a(x).flatten(1).sort().values.mean()
                + self.block.conv_a(x)
            )

    net, image = settle(Peeks()), torch.randn(1, 8, 8, 8)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    with pytest.raises(ValueError, match='outputs of the masked and of the grouped network differ'):
        prune_grouped_kernels(net, 0.5, 4, example_input=image)
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    prune_grouped_kernels(net, 0.5, 4, layers=['block.conv_b'], example_input=image)


def test_a_convolution_that_computes_its_weight_is_refused():
    class Standardised(nn.Conv2d):
        def forward(self, x):
            weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
            return self._conv_forward(x, weight, self.bias)

    net = nn.Sequential(Standardised(8, 8, 3), nn.ReLU())
    with pytest.raises(ValueError, match="refused: '0' and what is behind it differ"):
        prune_grouped_kernels(net, 0.5, 4)
    assert isinstance(net[0], Standardised)
