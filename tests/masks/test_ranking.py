"""The order in which units go."""

import pytest
import torch
from torch import nn

from mmrobustprune.cost.model import CostModel
from mmrobustprune.masks.ranked import RankedSelection
from mmrobustprune.masks.ranking import Ranking
from tests.masks.test_ranked import chain

SCORES = {'0': torch.tensor([4.0, 1, 3, 2]), '1': torch.tensor([40.0, 10, 30, 20])}


def ranking(alive=None, **fields):
    return Ranking(RankedSelection(chain(4, 4, 2), 'channels', **fields), SCORES, alive)


def test_the_lowest_go_first_and_the_best_of_each_group_never():
    one = ranking(normalise='none', min_keep=0)
    assert one.order.tolist()[:4] == [0, 0, 0, 1]
    assert (one.units, one.dead, one.last) == (8, 0, 6)
    assert one.kept(4) == {'0': 1, '1': 3}
    assert one.masks(4)['1'].tolist() == [True, False, True, True]


def test_dead_units_are_the_first_of_all():
    alive = {'0': torch.tensor([False, True, True, True]), '1': torch.ones(4, dtype=torch.bool)}
    one = ranking(alive, normalise='none', min_keep=0)
    assert (one.dead, one.last) == (1, 6)
    assert one.masks(0)['0'].tolist() == alive['0'].tolist()
    assert one.masks(2)['0'].tolist() == [False, False, True, True]


def test_layers_give_the_same_share():
    one = ranking(scope='layer', min_keep=0)
    assert one.kept(4) == {'0': 2, '1': 2}


@pytest.mark.parametrize('target, count', [(0.25, 2), (0.3, 3), (0.9, 6)])
def test_the_smallest_count_that_meets_a_target(target, count):
    assert ranking(min_keep=0).meet(target) == count


def test_what_is_held_is_kept():
    one = ranking(normalise='none', min_keep=0)
    one.hold(2)
    assert one.kept(6)['0'] == 3


def test_scores_compete_per_cost():
    """A unit of '0' holds 4 + 4 of 44 parameters, one of '1' 5 + 2: prices 8 and 7."""
    scores = {'0': torch.tensor([8.0, 16, 24, 40]), '1': torch.tensor([7.5, 13, 22, 39])}
    order = {}
    for per in ('unit', 'cost'):
        rule = RankedSelection(chain(4, 4, 2), normalise='none', per=per, min_keep=0)
        order[per] = Ranking(rule, scores).order.tolist()[:6]
    assert order == dict(unit=[1, 0, 1, 0, 1, 0], cost=[0, 1, 1, 0, 0, 1])


def test_groups_that_are_made_alike_compete_and_others_lose_the_same_share():
    """The first two pairs of four are of 1x1 layers, the last is read by a 3x3 layer."""
    widths = [3, 4, 4, 4, 2]
    sizes = [1, 1, 1, 3]
    layers = [
        nn.Conv2d(a, b, size) for a, b, size in zip(widths[:-1], widths[1:], sizes, strict=True)
    ]
    net = nn.Sequential(*layers)
    cost = CostModel(net, chain(4, 4, 4, 2).groups, dict.fromkeys('0123', 1))
    scores = {
        '0': torch.tensor([1.0, 2, 3, 4]),
        '1': torch.tensor([10.0, 20, 30, 40]),
        '2': torch.tensor([1.0, 2, 3, 4]) / 100,
    }
    rule = RankedSelection(cost, scope='isomorphic', normalise='none', min_keep=0)
    assert cost.makeup(cost.groups[0]) == cost.makeup(cost.groups[1])
    assert Ranking(rule, scores).kept(6) == {'0': 1, '1': 3, '2': 2}


@pytest.mark.parametrize('rounds', [1, 2, 4])
@pytest.mark.parametrize(
    'target, rates, kept',
    [
        (None, dict(zip('01', (0.5, 0.2), strict=True)), [20, 32]),
        (0.3, dict(zip('01', (0.4, 0.2), strict=True)), [24, 32]),
        (0.3, None, [28, 28]),
    ],
)
def test_several_rounds_take_the_shares_of_one(rounds, target, rates, kept):
    """Shares are of the dense groups, not of what an earlier round left."""
    fields = dict(scope='layer', normalise='none', min_keep=0, rates=rates)
    rule = RankedSelection(chain(40, 40, 2), 'channels', **fields)
    scores = {name: torch.arange(40.0) for name in '01'}
    alive = {name: torch.ones(40, dtype=torch.bool) for name in '01'}
    for number in range(1, rounds + 1):
        alive = rule.step(scores, target, alive, number, rounds)
    assert [int(alive[name].sum()) for name in '01'] == kept
