"""What every selection checks, and that all of them answer the same protocol."""

import inspect

import numpy as np
import pytest
import torch

from mmrobustprune.dependency.groups import Group
from mmrobustprune.latency import LatencySelection
from mmrobustprune.masks import RankedSelection, Selection
from mmrobustprune.masks.select import (
    NORMALISE,
    check_macs,
    check_min_keep,
    check_target,
    finite_scores,
    least_kept,
)

GROUP = Group('a', 3, ())


def test_normalisations_by_hand():
    scores = np.array([1.0, 2.0, 3.0])
    assert NORMALISE['mean'](scores).tolist() == [0.5, 1, 1.5]
    assert NORMALISE['max'](scores * 2).tolist() == pytest.approx([1 / 3, 2 / 3, 1])
    assert NORMALISE['l2'](np.array([3.0, 4.0])).tolist() == [0.6, 0.8]
    assert NORMALISE['none'](scores) is scores
    assert NORMALISE['mean'](np.zeros(2)).tolist() == [0, 0]


def test_a_share_is_of_what_is_no_smaller():
    """Squares 4, 1, 16 leave 4 of 20, 1 of 21 and 16 of 16."""
    shares = NORMALISE['share'](np.array([2.0, 1.0, 4.0]))
    assert shares.tolist() == pytest.approx([4 / 20, 1 / 21, 1])
    assert NORMALISE['share'](np.array([2e-200, 1e-200, 4e-200])).tolist() == pytest.approx(shares)
    assert NORMALISE['share'](np.zeros(2)).tolist() == [0, 0]


def test_a_rise_is_what_a_unit_adds_to_the_power_of_what_is_gone():
    """Shares 1/21, 4/20 and 1 in the order in which the units go."""
    gone = np.cumsum([1 / 21, 4 / 20, 1]) ** 1.25
    expected = [gone[1] - gone[0], gone[0], gone[2] - gone[1]]
    assert NORMALISE['rise'](np.array([2.0, 1.0, 4.0])).tolist() == pytest.approx(expected)


def test_shares_of_a_group_that_lost_its_least_are_as_before():
    scores = np.array([3.0, 1.0, 2.0, 5.0])
    assert (
        NORMALISE['share'](scores)[[0, 3]].tolist() == NORMALISE['share'](scores[[0, 3]]).tolist()
    )


@pytest.mark.parametrize(
    'macs, budget, scope, message',
    [
        (0, 'params', 'network', r'largest fraction removed, in \(0, 1\), not 0'),
        (True, 'params', 'network', 'not True'),
        (0.3, 'macs', 'network', "with budget='macs'"),
        (0.3, 'params', 'layer', "scope='layer' leave it away"),
    ],
)
def test_a_limit_of_the_macs_needs_another_budget(macs, budget, scope, message):
    check_macs(0.3, 'params', 'network')
    check_macs(None, 'macs', 'layer')
    with pytest.raises(ValueError, match=message):
        check_macs(macs, budget, scope)


@pytest.mark.parametrize('target', [0, 1, -0.1, 1.5])
def test_targets_are_fractions(target):
    with pytest.raises(ValueError, match=r'the fraction removed, in \(0, 1\)'):
        check_target(target, (GROUP,))


def test_a_network_without_groups_is_refused():
    check_target(0.5, (GROUP,))
    with pytest.raises(ValueError, match='nothing can be pruned'):
        check_target(0.5, ())


def test_every_group_keeps_a_unit():
    assert [least_kept(10, 0), least_kept(10, 0.25), least_kept(1, 0.9)] == [1, 3, 1]
    assert [least_kept(10, 0.1, most) for most in (0, 0.3, 0.35, 0.99)] == [10, 7, 7, 1]
    with pytest.raises(ValueError, match='min_keep is a fraction'):
        check_min_keep(1.0)


def test_scores_are_as_many_finite_numbers_as_units():
    assert finite_scores({'a': torch.tensor([1, 2, 3])}, GROUP).tolist() == [1.0, 2.0, 3.0]
    for wrong in (torch.ones(2), torch.tensor([1.0, float('nan'), 2])):
        with pytest.raises(ValueError, match="scores of 'a' must be 3 finite numbers"):
            finite_scores({'a': wrong}, GROUP)


@pytest.mark.parametrize('kind', [RankedSelection, LatencySelection])
def test_selections_take_what_the_protocol_says(kind):
    assert issubclass(kind, Selection)
    for name in ('plan', 'step'):
        ours = list(inspect.signature(getattr(kind, name)).parameters)
        assert ours == list(inspect.signature(getattr(Selection, name)).parameters)
    for name in ('check', 'plan', 'step', 'removed'):
        assert getattr(kind, name) is not getattr(Selection, name)
