"""Smoothness and the ways to form groups, by hand and against the obvious."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrobustprune.grouped_kernels import (
    GROUPINGS,
    TMI,
    Clustered,
    Given,
    Ordered,
    RandomGroups,
    Snaking,
    build_grouping,
    energy,
    roughness,
)
from mmrobustprune.grouped_kernels.clusters import EMBEDDINGS
from mmrobustprune.grouped_kernels.grouping import filter_order
from mmrobustprune.scores.roughness import size
from tests.support import grouped_reference as slow


def kernel(*rows):
    return torch.tensor(rows, dtype=torch.float64)


def test_roughness_by_hand():
    assert roughness(kernel([2, 2, 2], [2, 2, 2], [2, 2, 2])) == 0
    assert (
        roughness(kernel([0, 0, 0], [0, 3, 0], [0, 0, 0])) == 2 * 8 * 9
    )  # eight neighbours, from both ends
    assert roughness(kernel([1, 0, 0], [0, 0, 0], [0, 0, 0])) == 2 * 3
    assert roughness(kernel([0, 1, 0], [0, 0, 0], [0, 0, 0])) == 2 * 5
    assert roughness(kernel([5])) == 0
    assert roughness(kernel([1, -1, 1], [-1, 1, -1], [1, -1, 1])) == 0  # blind to signs
    assert roughness(kernel([1, 2]), power=1) == 2


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 1000))
def test_roughness_is_the_double_loop(height, width, seed):
    weight = torch.randn(
        2, 3, height, width, generator=torch.Generator().manual_seed(seed)
    ).double()
    expected = [[slow.roughness(k) for k in row] for row in weight.tolist()]
    assert torch.allclose(roughness(weight), torch.tensor(expected, dtype=torch.float64).view(2, 3))
    assert torch.allclose(roughness(3 * weight), 9 * roughness(weight))
    assert torch.equal(size(weight), energy(weight) if height == width == 1 else roughness(weight))


def rising(count, side=3):
    """Filters whose smoothness rises with their number, times a sign that must not matter."""
    weight = torch.zeros(count, 2, side, side, dtype=torch.float64)
    weight[:, :, 0, 0] = torch.arange(1, count + 1)[:, None] * torch.tensor([1, -1])
    return weight


def test_snaking_and_ordered_by_hand():
    assert Snaking()('x', rising(8), 4).tolist() == [0, 1, 2, 3, 3, 2, 1, 0]
    assert Ordered()('x', rising(8), 4).tolist() == [0, 1, 2, 3, 0, 1, 2, 3]
    shuffled = torch.tensor([3, 0, 7, 5, 1, 6, 2, 4])
    assert Snaking()('x', rising(8)[shuffled], 4).tolist() == [3, 0, 0, 2, 1, 1, 2, 3]
    assert Snaking()('x', rising(4, side=1), 2).tolist() == [0, 1, 1, 0]  # 1x1: by energy
    assert Snaking(by='sum')('x', kernel([[[4]]], [[[-9]]], [[[1]]], [[[0]]]), 2).tolist() == [
        0,
        0,
        1,
        1,
    ]
    assert filter_order('x', torch.tensor([1, 0, 1, 0]), 4, 2).tolist() == [1, 3, 0, 2]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 6), st.integers(1, 5), st.integers(0, 1000))
def test_snaking_is_the_obvious_one(groups, rows, seed):
    weight = torch.randn(
        groups * rows, 3, 3, 3, generator=torch.Generator().manual_seed(seed)
    ).double()
    assert Snaking()('x', weight, groups).tolist() == slow.snake(
        roughness(weight).sum(1).tolist(), groups
    )


def test_snaking_balances_the_sums():
    weight = rising(64)
    sums = [
        torch.zeros(8, dtype=torch.float64).index_add_(
            0, grouping('x', weight, 8), roughness(weight).sum(1)
        )
        for grouping in (Snaking(), Ordered())
    ]
    assert sums[0].max() / sums[0].min() < 1.05 < 1.1 < sums[1].max() / sums[1].min()


@pytest.mark.parametrize(
    'grouping', [Snaking(), Ordered(), RandomGroups(), *map(Clustered, EMBEDDINGS)]
)
@pytest.mark.parametrize('filters, groups, side', [(12, 3, 3), (8, 8, 1), (6, 1, 3)])
def test_groups_are_of_equal_size_and_the_same_every_time(grouping, filters, groups, side):
    weight = torch.randn(
        filters, 5, side, side, generator=torch.Generator().manual_seed(1)
    ).double()
    labels = grouping('layer', weight, groups)
    assert torch.bincount(labels, minlength=groups).tolist() == [filters // groups] * groups
    assert torch.equal(labels, grouping('layer', weight, groups))
    assert sorted(filter_order('layer', labels, filters, groups).tolist()) == list(range(filters))


def test_random_groups_differ_between_layers_and_seeds():
    weight = rising(16)
    drawn = {
        tuple(RandomGroups(seed)(layer, weight, 4).tolist()) for seed in (0, 1) for layer in 'ab'
    }
    assert len(drawn) == 4


def test_wrong_groupings_are_refused():
    weight = rising(4)
    with pytest.raises(ValueError, match='does not give each of 2 groups 2 of its 4 filters'):
        filter_order('x', torch.tensor([0, 0, 0, 1]), 4, 2)
    with pytest.raises(ValueError, match='does not give'):
        filter_order('x', torch.tensor([0, 0, -1, 1]), 4, 2)
    with pytest.raises(ValueError, match="no labels were given for 'y'"):
        Given(dict(x=[0, 1]))('y', weight, 2)
    with pytest.raises(ValueError, match='TMI needs snapshots'):
        TMI([])
    with pytest.raises(ValueError, match="no weight of 'x' of shape"):
        TMI([{}])('x', weight, 2)
    with pytest.raises(ValueError, match='embedding'):
        Clustered('tsne')
    with pytest.raises(ValueError, match="by='norm'"):
        Snaking(by='norm')


def test_groupings_by_name():
    assert build_grouping('snaking') == Snaking() and build_grouping(Ordered()) == Ordered()
    assert build_grouping(dict(type='random', seed=3)) == RandomGroups(3)
    kinds = {'snaking', 'ordered', 'random', 'clustered', 'dbscan', 'tmi', 'given'}
    assert set(GROUPINGS) == kinds
    with pytest.raises(ValueError, match="unknown grouping 'snakin'.*did you mean 'snaking'"):
        build_grouping('snakin')
    with pytest.raises(ValueError, match="unknown field of grouping 'random' 'sed'.*'seed'"):
        build_grouping(dict(type='random', sed=3))
    with pytest.raises(ValueError, match="grouping 'tmi' needs snapshots"):
        build_grouping('tmi')
