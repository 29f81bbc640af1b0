"""Norms across channels: their families, and their channels in groups."""

import pytest
import torch
from torch import nn

from mmrobustprune.dependency.kinds import kind_of
from mmrobustprune.masks import MaskSet
from mmrobustprune.surgery import certify, trace
from tests.support.networks import Between, LastAxis, Response, every_third_dead

IMAGE = torch.randn(2, 3, 6, 6)


class Named(nn.LayerNorm):
    """A norm that keeps its width under a second name."""

    def __init__(self, channels):
        super().__init__(channels)
        self.num_channels = channels


FAMILIES = {  # layer -> name, across channels, blocks, attributes after three channels stay
    'layer': (nn.LayerNorm(8), 'layernorm', True, 1, dict(normalized_shape=(3,))),
    'named': (Named(8), 'layernorm', True, 1, dict(normalized_shape=(3,), num_channels=3)),
    'rms': (nn.RMSNorm(8), 'rmsnorm', True, 1, dict(normalized_shape=(3,))),
    'group': (nn.GroupNorm(2, 8), 'groupnorm', True, 2, dict(num_channels=3)),
    'groups of one': (
        nn.GroupNorm(8, 8),
        'groupnorm',
        False,
        1,
        dict(num_channels=3, num_groups=3),
    ),
    'instance': (nn.InstanceNorm2d(8), 'instancenorm', False, 1, dict(num_features=3)),
}


@pytest.mark.parametrize('case', FAMILIES)
def test_families_by_hand(case):
    layer, name, aware, blocks, attributes = FAMILIES[case]
    kind = kind_of(layer)
    assert (kind.name, kind.aware, kind.blocks) == (name, aware, blocks)
    assert kind.width(layer, 'out') == 8
    assert kind.resized(layer, 'out', 3) == attributes


def test_a_norm_over_positions_too_has_no_channels_of_its_own():
    assert kind_of(nn.LayerNorm((8, 6, 6))) is None
    assert kind_of(nn.RMSNorm((8, 6, 6))) is None
    found = trace(Between(nn.LayerNorm((8, 6, 6))), IMAGE)
    why = "LayerNorm 'middle' normalises over (8, 6, 6), channels and positions"
    assert found.unprunable['first'] == why


def sides(layer):
    (group,) = trace(Between(layer), IMAGE).groups
    return {part.layer: part.index.tolist() for part in group.slices}


def test_every_block_of_a_group_norm_loses_the_same_positions():
    pairs = [[0, 4], [1, 5], [2, 6], [3, 7]]
    assert sides(nn.GroupNorm(2, 8)) == dict(first=pairs, middle=pairs, last=pairs)


@pytest.mark.parametrize('layer', [nn.GroupNorm(1, 8), nn.GroupNorm(8, 8), nn.InstanceNorm2d(8)])
def test_other_norms_lose_channels_one_by_one(layer):
    one_by_one = [[i] for i in range(8)]
    assert sides(layer) == dict(first=one_by_one, middle=one_by_one, last=one_by_one)


@pytest.mark.parametrize('layer', [LastAxis(nn.LayerNorm(8)), LastAxis(Response(8))])
def test_what_a_norm_does_inside_is_its_own(layer):
    assert set(sides(layer)) == {'first', 'middle.norm', 'last'}


class Tokens(nn.Module):
    """Patches with a class token and a position embedding, shifted, in front of a small network."""

    def __init__(self):
        super().__init__()
        self.patch = nn.Conv2d(3, 8, 2, 2)
        self.token = nn.Parameter(torch.rand(1, 1, 8))
        self.position = nn.Parameter(torch.rand(1, 10, 8))
        self.scale = nn.Parameter(torch.rand(()))
        self.norm = nn.LayerNorm(8)
        self.up = nn.Linear(8, 16)
        self.down = nn.Linear(16, 8)
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), x], 1) + self.position
        x = x + self.down(self.up(self.norm(x)).relu()).roll((1,), (1,)) * self.scale
        return self.head(x[:, 0])


def test_a_stream_of_tokens_with_its_embeddings():
    found = trace(Tokens(), IMAGE)
    stream = {part.layer for part in found.groups[0].slices}
    assert stream == {'patch', 'token', 'position', 'norm', 'up', 'down', 'head'}
    assert [(group.name, group.units) for group in found.groups] == [('patch', 8), ('up', 16)]


class Merging(nn.Module):
    """Windows of 2 x 2 become one position of four times the channels, as in Swin Transformer."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 1)
        self.norm = nn.LayerNorm(16)
        self.reduce = nn.Linear(16, 6)
        self.head = nn.Linear(6, 2)

    def forward(self, x):
        x = nn.functional.unfold(self.stem(x), 2, stride=2).transpose(1, 2)
        return self.head(self.reduce(self.norm(x)).mean(1))


def test_a_channel_is_as_many_as_its_window_holds():
    stem, reduce = trace(Merging(), IMAGE).groups
    sides = {part.layer: part.index.tolist() for part in stem.slices}
    window = [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11], [12, 13, 14, 15]]
    assert sides == dict(stem=[[0], [1], [2], [3]], norm=window, reduce=window)
    assert (reduce.name, reduce.units) == ('reduce', 6)


@pytest.mark.parametrize('network', [Tokens, Merging])
def test_tokens_masked_are_removed(network):
    model = network()
    masks = MaskSet(model, trace(model, IMAGE).groups)
    masks.remove(every_third_dead(masks.groups))
    assert certify(masks, IMAGE) < 1e-10
