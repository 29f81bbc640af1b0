"""The order in which units go."""

import pytest
import torch

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
