"""What goes together through groups, splits and offsets, and what cannot follow."""

import pytest
import torch
from torch import nn

from mmrobustprune.masks import MaskSet
from mmrobustprune.structure import Structure, rebuild
from mmrobustprune.surgery import certify, trace
from tests.dependency.test_tracing import by_name, sides
from tests.support.networks import Between, every_third_dead
from tests.support.splits import Chunks, Deformed, Literal, Orders, Shuffle, Sliced, Steps

IMAGE = torch.randn(2, 3, 6, 6)
HALVES = [[0, 4], [1, 5], [2, 6], [3, 7]]
PAIRS = [[0, 1], [2, 3], [4, 5], [6, 7]]


def removed(model, seed=0):
    """The trace, and the network without every third unit."""
    torch.manual_seed(seed)
    found = trace(model, IMAGE)
    masks = MaskSet(model, found.groups)
    masks.remove(every_third_dead(found.groups))
    assert certify(masks, IMAGE) <= 1e-10
    structure = Structure.from_json(masks.structure('test').to_json())
    return found, rebuild(model, structure)


def test_equal_numbers_of_each_group():
    found, small = removed(Between(nn.Conv2d(8, 8, 1, groups=2)))
    groups = by_name(found)
    assert sides(groups['first']) == {('first', 'out'): HALVES, ('middle', 'in'): HALVES}
    assert sides(groups['middle']) == {('middle', 'out'): HALVES, ('last', 'in'): HALVES}
    conv = small.middle
    assert (conv.in_channels, conv.out_channels, conv.groups) == (6, 6, 2)
    assert conv.weight.shape == (6, 3, 1, 1)


def test_whole_groups():
    found, small = removed(Between(nn.Conv2d(8, 8, 1, groups=4)))
    (group,) = found.groups
    assert sides(group) == {
        ('first', 'out'): PAIRS,
        ('middle', 'out'): PAIRS,
        ('last', 'in'): PAIRS,
    }
    assert (small.middle.in_channels, small.middle.out_channels, small.middle.groups) == (6, 6, 3)


def test_a_depthwise_convolution_with_a_multiplier():
    found, small = removed(Between(nn.Conv2d(4, 8, 3, groups=4), 4, 8))
    (group,) = found.groups
    assert sides(group)['first', 'out'] == [[0], [1], [2], [3]]
    assert sides(group)['middle', 'out'] == sides(group)['last', 'in'] == PAIRS
    assert (small.middle.in_channels, small.middle.out_channels, small.middle.groups) == (3, 6, 3)


def test_chunks():
    groups = by_name(removed(Between(Chunks(8)))[0])
    assert sides(groups['first']) == {
        ('first', 'out'): HALVES,
        ('last', 'in'): [[4], [5], [6], [7]],
        ('middle.conv', 'in'): [[0], [1], [2], [3]],
    }
    assert sides(groups['middle.conv'])['last', 'in'] == [[0], [1], [2], [3]]


def test_pieces_whose_width_is_an_attribute():
    found, small = removed(Between(Steps(8, 4)))
    assert by_name(found)['first'].units == 2
    assert small.middle.width == 1


def test_pieces_that_are_listed():
    """x[:2] goes through a convolution to 6 channels, which x[2:] multiplies."""
    found, small = removed(Between(Orders(8)))
    groups = by_name(found)
    assert sides(groups['first'])['middle.conv', 'in'] == [[0], [1]]
    assert sides(groups['first#2'])['first', 'out'] == [[c] for c in range(2, 8)]
    assert sides(groups['first#2'])['middle.conv', 'out'] == [[c] for c in range(6)]
    assert small.middle.dims == [1, 4]


def test_a_slice_up_to_an_attribute_stays_in_proportion():
    found, small = removed(Between(Sliced(16), 16))
    assert by_name(found)['first'].units == 4
    assert small.middle.end == 3 and small.first.out_channels == 12


def test_a_slice_up_to_a_literal_is_unprunable():
    found, small = removed(Between(Literal()))
    assert [group.name for group in found.groups] == ['middle.conv']
    assert found.unprunable['first'] == (
        'SliceBackward0 takes its channels at places that do not follow'
    )


@pytest.mark.parametrize('shuffle', [Shuffle(2), nn.ChannelShuffle(2)])
def test_a_shuffle(shuffle):
    (group,) = removed(Between(shuffle))[0].groups
    assert sides(group) == {('first', 'out'): HALVES, ('last', 'in'): PAIRS}


def test_shuffled_groups_of_groups():
    """ShuffleNet: of each group that makes them, and of each group that reads them."""
    middle = nn.Sequential(
        nn.Conv2d(24, 24, 1, groups=3), Shuffle(3), nn.Conv2d(24, 6, 1, groups=3)
    )
    found, _ = removed(Between(middle, 24, 6))
    group = by_name(found)['middle.0']
    assert len(sides(group)['middle.2', 'in'][0]) == 9  # 3 of 8 for each of the 3 groups


def test_a_deformable_convolution_and_its_offsets():
    found, small = removed(Between(Deformed(8)))
    groups = by_name(found)
    eight = [[c] for c in range(8)]
    assert sides(groups['first']) == {
        ('first', 'out'): eight,
        ('middle.offset', 'in'): eight,
        ('middle.conv', 'in'): eight,
    }
    assert sides(groups['middle.conv']) == {('middle.conv', 'out'): eight, ('last', 'in'): eight}
    assert found.unprunable['middle.offset'] == "'middle.conv' takes it as offsets or masks"
    assert small.middle.conv.weight.shape == (5, 5, 3, 3)


def test_one_trial_finds_what_does_not_follow_among_others():
    model = nn.Sequential(Between(Steps(8), after=8), nn.Conv2d(2, 8, 1), Literal(), Chunks(8))
    found = trace(model, IMAGE)
    assert set(found.unprunable) >= {'1'} and '0.first' in by_name(found)


class Unknown(nn.Module):
    """Tokens through an attention of a class that nobody knows, which takes its widths from them.

    Args:
        own: whether it takes them from its own layer instead.
    """

    def __init__(self, own=False):
        super().__init__()
        self.own = own
        self.patch = nn.Conv2d(3, 8, 2, 2)
        self.norm = nn.LayerNorm(8)
        self.qkv = nn.Linear(8, 24)
        self.proj = nn.Linear(8, 8)
        self.up = nn.Linear(8, 12)
        self.down = nn.Linear(12, 8)
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        width = self.proj.in_features if self.own else x.shape[-1]
        heads = self.qkv(self.norm(x)).reshape(len(x), -1, 3, 2, width // 2)
        query, key, value = heads.permute(2, 0, 3, 1, 4)
        found = (query @ key.mT).softmax(-1) @ value
        x = x + self.proj(found.transpose(1, 2).reshape(len(x), -1, width))
        return self.head((x + self.down(self.up(x).relu())).mean(1))


@pytest.mark.parametrize('own', [False, True])
def test_a_stream_whose_width_the_code_behind_a_reader_takes(own):
    found, small = removed(Unknown(own))
    assert set(by_name(found)) == {'up', 'patch'} - ({'patch'} if not own else set())
    why = "the code behind 'qkv' takes its channels at places that do not follow"
    assert own or found.unprunable['patch'] == why
    assert small.norm.normalized_shape == ((5,) if own else (8,))
