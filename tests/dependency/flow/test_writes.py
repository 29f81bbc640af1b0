"""Channels that are written in place: into places, into another view, into a part of them."""

import pytest
import torch
from torch import nn

from mmrobustprune.masks import MaskSet
from mmrobustprune.surgery import certify, trace
from tests.support.networks import every_third_dead

IMAGE = torch.randn(2, 3, 4, 4)


class Writing(nn.Module):
    """Two layers, of which one's output is written into the other's by a function."""

    def __init__(self, write, first=6, second=6):
        super().__init__()
        self.first = nn.Conv2d(3, first, 1)
        self.second = nn.Conv2d(3, second, 1)
        self.last = nn.Conv2d(first, 2, 1)
        self.write = write

    def forward(self, x):
        return self.last(self.write(self.first(x).relu(), self.second(x)))


def into_places(x, y):
    x[:, :, 1:] = x[:, :, 1:] * y[:, :, 1:]
    return x


def added_to_places(x, y):
    x[..., 2:] += y[..., 2:]
    return x


def added_to_a_view(x, y):
    rows = x.reshape(2, -1, 16)
    rows += y.flatten(2)
    return rows.view(2, -1, 4, 4)


@pytest.mark.parametrize('write', [into_places, added_to_places, added_to_a_view])
def test_what_is_written_goes_with_what_it_is_written_into(write):
    model = Writing(write)
    (group,) = trace(model, IMAGE).groups
    one_by_one = [[i] for i in range(6)]
    found = {part.layer: part.index.tolist() for part in group.slices}
    assert found == dict(first=one_by_one, second=one_by_one, last=one_by_one)
    masks = MaskSet(model, (group,))
    masks.remove(every_third_dead((group,)))
    assert certify(masks, IMAGE) < 1e-10


def into_channels(x, y):
    x[:, :4] += y
    return x


def into_a_row(x, y):
    x[:, :, 0] = y[:, :, 0]
    return x


def into_zeros(x, y):
    zeros = torch.zeros(2, 6, 4, 4)
    zeros[:, :, 1:] = y[:, :, 1:]
    return x + zeros


def seen_otherwise(x, y):
    turned = x.transpose(2, 3)
    x.view(2, 6, 16).add_(y.flatten(2))
    return turned * 1


@pytest.mark.parametrize(
    'write, second, why',
    [
        (seen_otherwise, 6, 'takes another view than the one that was written to'),
        (into_channels, 4, 'writes it into a part of the channels'),
        (into_a_row, 6, 'writes in place where it cannot be followed'),
        (into_zeros, 6, 'writes it into a tensor of fixed width'),
    ],
)
def test_what_cannot_be_followed_stays(write, second, why):
    found = trace(Writing(write, second=second), IMAGE)
    assert not found.groups and why in found.unprunable['second']
    assert set(found.unprunable) == {'first', 'second', 'last'}
