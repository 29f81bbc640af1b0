"""Which units go, and that the budget is met."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from mmrobustprune.cost.model import CostModel
from mmrobustprune.dependency.groups import full
from mmrobustprune.masks import RankedSelection
from mmrobustprune.surgery import Group, Slice, trace


def chain(*widths):
    """1x1 convolutions in a row; every layer but the last is a group named by its index."""
    widths = (3, *widths)
    net = nn.Sequential(*(nn.Conv2d(a, b, 1) for a, b in zip(widths, widths[1:], strict=False)))
    groups = [
        Group(
            str(i),
            width,
            (
                Slice(str(i), 'out', torch.arange(width)[:, None]),
                Slice(str(i + 1), 'in', torch.arange(width)[:, None]),
            ),
        )
        for i, width in enumerate(widths[1:-1])
    ]
    return CostModel(net, groups, {str(i): 1 for i in range(len(widths) - 1)})


def kept(alive):
    return {name: torch.nonzero(mask).flatten().tolist() for name, mask in alive.items()}


SCORES = {'0': torch.tensor([4.0, 1, 3, 2]), '1': torch.tensor([40.0, 10, 30, 20])}


def test_network_scope_with_and_without_normalisation():
    cost = chain(4, 4, 2)
    rule = RankedSelection(cost, 'channels', normalise='none', min_keep=0)
    assert kept(rule.plan(SCORES, 0.25)) == {'0': [0, 2], '1': [0, 1, 2, 3]}
    rule = RankedSelection(cost, 'channels', normalise='mean', min_keep=0)
    assert kept(rule.plan(SCORES, 0.25)) == {'0': [0, 2, 3], '1': [0, 2, 3]}


def test_layer_scope_takes_the_same_share():
    cost = chain(10, 20, 2)
    scores = {'0': torch.arange(10.0), '1': 1000 - torch.arange(20.0)}
    alive = RankedSelection(cost, 'channels', 'layer').plan(scores, 0.4)
    assert kept(alive) == {'0': list(range(4, 10)), '1': list(range(12))}


def test_every_group_keeps_its_share():
    cost = chain(10, 10, 2)
    scores = {'0': torch.zeros(10) + 1e-3, '1': torch.ones(10)}
    rule = RankedSelection(cost, 'channels', normalise='none', min_keep=0.3)
    alive = rule.plan(scores, 0.5)
    assert (int(alive['0'].sum()), int(alive['1'].sum())) == (3, 7)
    alive = RankedSelection(cost, 'channels', normalise='none', min_keep=0).plan(scores, 0.5)
    assert (int(alive['0'].sum()), int(alive['1'].sum())) == (1, 9)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(40, 120), min_size=1, max_size=4),
    st.floats(0.1, 0.8),
    st.sampled_from(['channels', 'params', 'macs']),
    st.sampled_from(['network', 'layer']),
    st.sampled_from([None, 2]),
    st.integers(0, 99),
)
def test_the_smallest_removal_that_meets_the_target(widths, target, budget, scope, step, seed):
    cost = chain(*widths, 5)
    generator = torch.Generator().manual_seed(seed)
    scores = {g.name: torch.rand(g.units, generator=generator) for g in cost.groups}
    rule = RankedSelection(cost, budget, scope, round_to=step)
    try:
        alive = rule.plan(scores, target)
    except ValueError as error:
        assert 'nearest feasible value' in str(error)
        return
    reached = cost.removed(alive)[budget]
    assert target - 1e-9 <= reached <= target + 0.01
    for group in cost.groups:
        mask, score = alive[group.name], scores[group.name]
        assert mask.sum() >= max(1, 0.1 * group.units)
        if not mask.all():
            assert score[mask].min() >= score[~mask].max()
            assert step is None or mask.sum() % step == 0


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 8),
    st.floats(0.2, 0.7),
    st.sampled_from(['channels', 'params', 'macs']),
    st.sampled_from([None, 2]),
    st.integers(0, 99),
)
def test_rounds_are_monotone_and_end_exactly(rounds, target, budget, step, seed):
    cost = chain(128, 160, 96, 144, 200, 80, 5)
    generator = torch.Generator().manual_seed(seed)
    base = {g.name: torch.rand(g.units, generator=generator) for g in cost.groups}
    rule = RankedSelection(cost, budget, round_to=step)
    alive, units = full(cost.groups), [cost.dense['channels']]
    for this in range(1, rounds + 1):
        scores = {
            name: s * (1 + 0.1 * torch.rand(len(s), generator=generator))
            for name, s in base.items()
        }
        fresh = rule.step(scores, target, alive, this, rounds)
        assert not any((fresh[name] & ~alive[name]).any() for name in fresh)
        alive = fresh
        units.append(cost.count(alive)['channels'])
    assert target - 1e-9 <= cost.removed(alive)[budget] <= target + 0.01
    assert sorted(units, reverse=True) == units


def test_the_schedule_is_exponential_in_units():
    cost = chain(1000, 2)
    scores, rule = {'0': torch.rand(1000)}, RankedSelection(cost, 'channels')
    alive, counts = full(cost.groups), []
    for this in range(1, 11):
        alive = rule.step(scores, 0.8, alive, this, 10)
        counts.append(int(alive['0'].sum()))
    assert counts == [851, 725, 617, 525, 447, 381, 324, 276, 235, 200]


def test_dead_units_stay_dead_whatever_their_score():
    cost = chain(10, 2)
    alive = {'0': torch.arange(10) < 7}
    result = RankedSelection(cost, 'channels').plan({'0': torch.arange(10.0)}, 0.5, alive)
    assert kept(result) == {'0': [2, 3, 4, 5, 6]}


def test_a_unit_that_is_too_large_a_step_is_passed_over():
    cost = chain(2, 300, 2)  # a unit of the first group holds a fifth of the parameters
    scores = {'0': torch.tensor([0.1, 9.0]), '1': torch.arange(300.0) + 1}
    alive = RankedSelection(cost, 'params', normalise='none', min_keep=0).plan(scores, 0.1)
    assert alive['0'].all() and 0.1 <= cost.removed(alive)['params'] <= 0.11


def test_the_last_round_removes_a_little_more_rather_than_lose_the_training():
    cost = chain(10, 2)
    with pytest.warns(UserWarning, match='0.4000 are removed'):
        alive = RankedSelection(cost, 'channels').step(
            {'0': torch.arange(10.0)}, 0.33, full(cost.groups), 3, 3
        )
    assert kept(alive) == {'0': [4, 5, 6, 7, 8, 9]}


def test_refusals():
    cost = chain(10, 2)
    scores = {'0': torch.arange(10.0)}
    with pytest.raises(ValueError, match='the nearest feasible value is 0.3000'):
        RankedSelection(cost, 'channels').plan(scores, 0.33)
    with pytest.raises(ValueError, match='the nearest feasible value is 0.9000'):
        RankedSelection(cost, 'channels').plan(scores, 0.95)
    with pytest.raises(ValueError, match='the nearest feasible value is 0.5000, with .*round_to=5'):
        RankedSelection(cost, 'channels', round_to=5).plan(scores, 0.9)
    with pytest.raises(ValueError, match="scores of '0' must be 10 finite numbers"):
        RankedSelection(cost, 'channels').plan({'0': torch.full((10,), float('nan'))}, 0.5)
    with pytest.raises(ValueError, match="unknown normalisation 'maen' .*did you mean 'mean'"):
        RankedSelection(cost, normalise='maen')
    with pytest.raises(ValueError, match='min_keep'):
        RankedSelection(cost, min_keep=1.0)
    with pytest.raises(ValueError, match='round_to'):
        RankedSelection(cost, round_to=0)


def test_a_fraction_that_is_met_exactly_is_met():
    """1 - 8/10 is less than .2 in floating point."""
    cost = chain(10, 2)
    alive = RankedSelection(cost, 'channels', min_keep=0).plan({'0': torch.arange(10.0)}, 0.2)
    assert kept(alive) == {'0': [2, 3, 4, 5, 6, 7, 8, 9]}


def thick(first=150, second=150):
    """MACs are in the first of two groups of 1x1 layers, parameters as much in either."""
    cost = chain(first, second, 5)
    return CostModel(cost_net(first, second), cost.groups, {'0': 100, '1': 10, '2': 1})


def cost_net(first, second):
    return nn.Sequential(
        nn.Conv2d(3, first, 1), nn.Conv2d(first, second, 1), nn.Conv2d(second, 5, 1)
    )


def test_a_limit_of_the_macs_is_kept_at_the_same_budget():
    cost = thick()
    scores = {'0': torch.rand(150) + 1, '1': torch.rand(150) + 3}  # the first group would go
    free = RankedSelection(cost, normalise='none').plan(scores, 0.4)
    assert cost.removed(free)['macs'] > 0.4
    alive = RankedSelection(cost, normalise='none', macs=0.4).plan(scores, 0.4)
    assert cost.removed(alive)['macs'] <= 0.4 <= cost.removed(alive)['params'] <= 0.41
    rule = RankedSelection(
        cost, normalise='none', macs=0.9
    )  # what asks for nothing changes nothing
    assert kept(rule.plan(scores, 0.4)) == kept(free)
    with pytest.raises(
        ValueError, match='cannot go with at most 0.010 of the MACs.*feasible value'
    ):
        RankedSelection(cost, normalise='none', macs=0.01).admit(0.4)


def test_rounds_end_within_the_limit_of_the_macs():
    cost = thick()
    scores = {'0': torch.rand(150) + 1, '1': torch.rand(150) + 3}
    rule = RankedSelection(cost, normalise='none', macs=0.4)
    alive = full(cost.groups)
    for this in range(1, 5):
        alive = rule.step(scores, 0.4, alive, this, 4)
    assert cost.removed(alive)['macs'] <= 0.4 <= cost.removed(alive)['params']


def test_a_group_weighs_as_the_layers_that_read_it_or_as_it_is_told():
    cost = chain(4, 4, 2)
    scores = {'0': torch.tensor([1.0, 2, 3, 4]), '1': torch.tensor([1.5, 2.5, 3.5, 4.5])}
    by_reads = RankedSelection(cost, 'channels', normalise='none', weigh='reads', min_keep=0)
    assert kept(by_reads.plan(scores, 0.5)) == {'0': [2, 3], '1': [2, 3]}
    told = RankedSelection(
        cost, 'channels', normalise='none', weights={'0': 5.0, '1': 1.0}, min_keep=0
    )
    assert kept(told.plan(scores, 0.375)) == {'0': [0, 1, 2, 3], '1': [3]}


def test_a_group_that_three_layers_read_weighs_nine():
    group = Group(
        'a', 1, tuple(Slice('l', side, torch.zeros(1, 1)) for side in 'out in in in'.split())
    )
    assert RankedSelection(chain(4, 4, 2), weigh='reads').weight(group, np.ones(1)) == 9


def test_rates_are_of_single_groups():
    model = nn.Sequential(nn.Conv2d(1, 10, 1), nn.Conv2d(10, 4, 1), nn.Conv2d(4, 1, 1))
    found = trace(model, torch.ones(1, 1, 2, 2))
    cost = CostModel(model, found.groups, found.shapes)
    scores = {'0': torch.arange(10.0), '1': torch.arange(4.0)}
    fields = dict(budget='channels', scope='layer', normalise='none', min_keep=0.0)
    for rates, left in (
        ({'0': 0.3, '1': 0.5}, (7, 2)),
        ({'0': 0.31}, (6, 4)),  # as many as it takes for 0.31
        ({'0': 1.0, '1': 1.0}, (1, 1)),
        ({}, (10, 4)),
    ):
        alive = RankedSelection(cost, **fields, rates=rates).plan(scores, None)
        assert tuple(int(alive[name].sum()) for name in '01') == left
    alive = RankedSelection(cost, **fields, rates={'1': 0.2}).plan(scores, 3 / 14)
    assert (alive['0'].all(), alive['1'].tolist()) == (True, [False, False, False, True])
    with pytest.raises(ValueError, match="go with scope='layer', not scope='network'"):
        RankedSelection(cost, rates={'0': 0.5})
