"""Choices without a search, and searches by name."""

import pytest
import torch

from mmrobustprune.grouped_kernels import (
    SEARCHES,
    Beam,
    Largest,
    RandomKept,
    Seeds,
    arrange,
    build_search,
    roughness,
)
from mmrobustprune.grouped_kernels.selection import brief


@pytest.fixture
def kernels():
    return arrange(
        'x',
        torch.randn(8, 10, 3, 3, generator=torch.Generator().manual_seed(0)),
        torch.arange(8),
        2,
    )


def test_largest_and_smoothest_by_hand():
    weight = torch.zeros(2, 4, 3, 3)
    weight[:, 0], weight[:, 1] = 1, 0.9  # large and perfectly smooth
    weight[:, 2, 1, 1], weight[:, 3, 1, 1] = 1.5, 0.5  # small and rough, less so
    kernels = arrange('x', weight, torch.arange(2), 1)
    assert Largest('l2')(kernels, 3).tolist() == [[0, 1, 2]]
    assert Largest('smoothness')(kernels, 3).tolist() == [[0, 1, 3]]
    assert kernels.energy.tolist() == [[18, pytest.approx(14.58), 4.5, 0.5]]
    assert kernels.roughness.tolist() == [[0, 0, 2 * 2 * 8 * 2.25, 2 * 2 * 8 * 0.25]]


def test_mean_is_that_of_signed_weights_and_l1_that_of_absolute_ones():
    weight = torch.zeros(2, 3, 3, 3)
    weight[0, 0], weight[1, 0] = 0.5, -0.5  # sums: |w| 9, w 0; the norm 2.1
    weight[0, 1] = 0.3  # 2.7, 2.7; 0.9
    weight[0, 2, 0, 0] = -2.6  # 2.6, -2.6; 2.6
    kernels = arrange('x', weight, torch.arange(2), 1)
    kept = {value: Largest(value)(kernels, 2).tolist() for value in ('l1', 'mean', 'l2')}
    assert kept == {'l1': [[0, 1]], 'mean': [[1, 2]], 'l2': [[0, 2]]}


def test_seeds_are_far_apart_and_copies_come_last():
    weight = torch.zeros(1, 8, 3, 3)
    weight[0, 5], weight[0, 6] = 1, -1  # the other six are one and the same point
    kernels = arrange('x', weight, torch.arange(1), 1)
    for seed in range(20):
        assert {5, 6} < set(Seeds(seed)(kernels, 3)[0].tolist())
    assert Seeds(0)(kernels, 7).shape == (1, 7)
    assert len({tuple(Seeds(seed)(kernels, 3)[0].tolist()) for seed in range(20)}) > 1


@pytest.mark.parametrize('name', SEARCHES)
def test_every_way_keeps_different_channels_in_order(name, kernels):
    kept = SEARCHES[name](kernels, 6)
    assert (
        kept.shape == (2, 6)
        and (kept.diff(dim=1) > 0).all()
        and kept.min() >= 0
        and kept.max() < 10
    )
    assert torch.equal(kept, SEARCHES[name](kernels, 6))


def test_groups_are_chosen_for_independently(kernels):
    for name in ('beam', 'official', 'tmi', 'l2'):
        alone = arrange('x', kernels.weight[1].float(), torch.arange(4), 1)
        assert torch.equal(SEARCHES[name](kernels, 6)[1:], SEARCHES[name](alone, 6)), name


def test_pointwise_kernels_have_no_roughness():
    kernels = arrange(
        'x', torch.randn(8, 9, 1, 1, generator=torch.Generator().manual_seed(0)), torch.arange(8), 2
    )
    assert not kernels.roughness.any() and roughness(kernels.weight).shape == (2, 4, 9)
    chosen = [Beam(alpha=alpha)(kernels, 5) for alpha in (0, 0.5, 1)]
    assert torch.equal(chosen[0], chosen[1]) and torch.equal(chosen[1], chosen[2])


def test_chance_depends_on_the_layer_and_the_seed(kernels):
    other = arrange('y', kernels.weight.flatten(0, 1), torch.arange(8), 2)
    drawn = [RandomKept(seed)(k, 5).tolist() for seed in (0, 1) for k in (kernels, other)]
    assert all(a != b for i, a in enumerate(drawn) for b in drawn[:i])


def test_searches_by_name():
    assert build_search('beam') == Beam() and build_search(
        dict(type='official', alpha=0.5)
    ) == Beam(2, 3, 0.5, 'first')
    assert (Beam().width, Beam().check_every, Beam().beta) == (4, 1, 'size')
    assert build_search(RandomKept(2)) == RandomKept(2)
    with pytest.raises(ValueError, match="unknown search 'beem'.*did you mean 'beam'"):
        build_search('beem')
    with pytest.raises(ValueError, match="unknown field of search 'beam' 'widht'.*'width'"):
        build_search(dict(type='beam', widht=3))
    with pytest.raises(ValueError, match="value='l7'"):
        Largest('l7')


def test_what_the_record_says_of_a_way():
    assert brief(Beam(width=2, beta=1.5)) == 'Beam(width=2, beta=1.5)'
    assert brief(RandomKept()) == 'RandomKept()' and brief(brief) == 'brief'
