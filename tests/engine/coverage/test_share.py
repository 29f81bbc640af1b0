"""The share of a network that can shrink, counted by hand."""

import torch
from torch import nn

from mmrobustprune.dependency.tracing import trace
from mmrobustprune.engine.coverage.share import share_of


def test_shares_by_hand():
    """8 + 2 and 54 + 3 parameters: the last bias alone does not follow the hidden channels."""
    model = nn.Sequential(nn.Conv2d(1, 2, 2), nn.ReLU(), nn.Conv2d(2, 3, 3))
    found = share_of(model, trace(model, torch.rand(1, 1, 6, 6)))
    assert found.params == 64 / 67 and found.macs == 1
    assert found.cause == 'it is an output of the model' and found.lost == 3 / 67


def test_half_of_the_channels_are_half_of_the_share():
    """One of two inputs of the last layer shrinks."""

    class Joined(nn.Module):
        def __init__(self):
            super().__init__()
            self.free = nn.Conv2d(1, 2, 1, bias=False)
            self.kept = nn.Conv2d(1, 2, 1, bias=False)
            self.last = nn.Conv2d(4, 1, 1, bias=False)

        def forward(self, x):
            kept = self.kept(x)
            return self.last(torch.cat([self.free(x), kept], 1)), kept

    model = Joined()
    found = share_of(model, trace(model, torch.rand(1, 1, 2, 2)))
    assert found.params == (2 + 0 + 2) / 8 and found.macs == 0.5
    assert found.lost == 0.5


def test_layers_of_no_known_kind_are_named():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(2, 2)
            self.norm = nn.Bilinear(2, 2, 2)

        def forward(self, x):
            return self.norm(self.first(x), x)

    model = Scaled()
    found = share_of(model, trace(model, torch.rand(1, 2)))
    assert found.params == 0 and found.cause == 'Bilinear is of no known kind'
    assert found.lost == 10 / 16


def test_groups_of_a_convolution_read_channels_of_their_own():
    """Every weight makes or reads hidden channels."""
    model = nn.Sequential(
        nn.Conv2d(2, 8, 1, bias=False),
        nn.Conv2d(8, 8, 1, groups=4, bias=False),
        nn.Conv2d(8, 1, 1, bias=False),
    )
    found = share_of(model, trace(model, torch.rand(1, 2, 2, 2)))
    assert found.params == found.macs == 1 and found.cause == ''
