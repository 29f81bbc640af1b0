"""Channels from layer to layer, written out."""

import torch
from torch import nn

from mmrobustprune.dependency.tracing import trace

IMAGE = torch.randn(2, 3, 6, 6)


class Net(nn.Module):
    """A stem whose channels are added to, joined, and in part split off."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 1)
        self.inner = nn.Conv2d(4, 4, 1)
        self.beside = nn.Conv2d(3, 2, 1)
        self.head = nn.Conv2d(6, 5, 1)

    def forward(self, x):
        stem = self.stem(x)
        total = stem + self.inner(stem).relu()
        return self.head(torch.cat([self.beside(x), total], 1))


def by_name(found):
    slices = {}
    for group in found.groups:
        sides = {(part.layer, part.side): part.index.tolist() for part in group.slices}
        slices[group.name] = sides
    return slices


def test_sums_tie_channels_and_joins_move_them():
    found = trace(Net(), IMAGE)
    own = [[0], [1], [2], [3]]
    assert by_name(found) == {
        'stem': {
            ('stem', 'out'): own,
            ('inner', 'out'): own,
            ('inner', 'in'): own,
            ('head', 'in'): [[2], [3], [4], [5]],
        },
        'beside': {('beside', 'out'): [[0], [1]], ('head', 'in'): [[0], [1]]},
    }
    assert found.unprunable == {'head': 'it is an output of the model'}


def test_what_cannot_be_followed_keeps_all_that_is_tied_to_it():
    class Mixed(Net):
        def forward(self, x):
            stem = self.stem(x)
            return self.head(torch.cat([self.beside(x), stem.cumsum(1) + self.inner(stem)], 1))

    found = trace(Mixed(), IMAGE)
    why = 'CumsumBackward0 works across its channels'
    assert found.groups == ()  # 'beside' is joined with it
    assert {name: found.unprunable[name] for name in ('stem', 'inner', 'beside')} == dict(
        stem=why, inner=why, beside=why
    )
