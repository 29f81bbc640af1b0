"""Costs by hand."""

import torch
from torch import nn

from mmrobustprune.cost.count import count
from mmrobustprune.cost.model import CostModel
from mmrobustprune.mask_search.budgets import FlopBudget
from mmrobustprune.mask_search.reads import find_reads
from mmrobustprune.surgery import trace
from tests.support.networks import Concat, Residual

IMAGE = torch.randn(1, 3, 6, 6)


def model_of(net):
    found = trace(net, IMAGE)
    return CostModel(net, found.groups, found.shapes)


def test_a_network_written_out():
    cost = model_of(Residual(width=6, inner=4, classes=3))
    # stem 6*3*9+6, bn 12, conv1 4*6*9, bn1 8, conv2 6*4*9+6, head 3*6+3
    assert cost.dense == dict(
        channels=10, params=168 + 12 + 216 + 8 + 222 + 21, macs=36 * (162 + 216 + 216) + 18
    )
    # 5 and 2 units left
    left = cost.count({'stem': 5, 'conv1': torch.tensor([True, False, True, False])})
    assert left == dict(
        channels=7,
        params=5 * 28 + 10 + 2 * 5 * 9 + 4 + 5 * 19 + 18,
        macs=36 * (5 * 27 + 90 + 90) + 15,
    )
    assert cost.removed({})['params'] == 0
    assert cost.removed({'stem': 5, 'conv1': 2})['channels'] == 1 - 7 / 10


def test_two_groups_feed_one_layer():
    cost = model_of(Concat(3, 5, 2))
    rows = cost.per_layer({'left': 1, 'right': 4})
    assert rows['bn'] == {'out': 5, 'params': 10, 'macs': 0}
    assert rows['depth'] == {'out': 5, 'params': 5 * 9 + 5, 'macs': 5 * 9 * 36}
    assert rows['fc'] == {'in': 20, 'out': 2, 'params': 42, 'macs': 40}


def test_shared_weights_count_once_and_multiply_in_every_call():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.head = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 2, 1)
            self.twin = nn.Conv2d(4, 2, 1)
            self.twin.weight = self.head.weight

        def forward(self, x):
            x = self.stem(x)
            return self.head(x), self.head(x), self.twin(x)

    cost = model_of(Net())
    assert cost.dense == dict(channels=4, params=16 + 8 + 2 + 2, macs=36 * (12 + 3 * 8))
    left = cost.count({'stem': 1})
    assert (left['params'], left['macs']) == (4 + 2 + 2 + 2, 36 * (3 + 3 * 2))


def test_constants_of_the_architecture_cost_nothing():
    class Constant(nn.Conv2d):
        fixed = True

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.conv, self.short = (
                nn.Conv2d(3, 4, 1),
                nn.Conv2d(4, 6, 1),
                Constant(4, 6, 1, bias=False),
            )
            self.head = nn.Conv2d(6, 2, 1)

        def forward(self, x):
            x = self.stem(x)
            return self.head(self.conv(x) + self.short(x))

    cost = model_of(Net())
    assert (cost.dense['params'], cost.dense['macs']) == (16 + 30 + 14, 36 * (12 + 24 + 12))
    left = cost.count({'stem': 2})
    assert (left['params'], left['macs']) == (8 + 18 + 14, 36 * (6 + 12 + 12))


def test_grouped_and_transposed_convolutions():
    net = nn.Sequential(
        nn.Conv2d(3, 4, 1), nn.ConvTranspose2d(4, 6, 2, stride=2), nn.Conv2d(6, 6, 3, groups=3)
    )
    cost = model_of(net)
    assert cost.dense['macs'] == 36 * 12 + 36 * 4 * 6 * 4 + 100 * 6 * 2 * 9
    assert cost.dense['params'] == sum(p.numel() for p in net.parameters())


def test_all_who_count_macs_agree():
    """A forward pass that is watched, widths alone, and the FLOPs that a mask search works with."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=2), nn.ReLU(), nn.Conv2d(4, 6, 2), nn.Flatten(), nn.Linear(54, 5)
    )
    image = torch.zeros(1, 3, 9, 9)
    found = trace(net, image)
    macs = 16 * 4 * 27 + 9 * 6 * 16 + 54 * 5
    assert count(net, image).macs == macs
    assert CostModel(net, found.groups, found.shapes).dense['macs'] == macs
    layers = ['0', '2', '4']
    flops = FlopBudget(net, find_reads(net, (3, 9, 9)), layers)(torch.ones(3))
    outputs = 16 * 4 + 9 * 6 + 5
    assert flops == 2 * macs + outputs
