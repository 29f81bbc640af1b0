"""Differences by hand: over seeds, over images, and what is marked."""

import numpy as np
import pytest

from mmrobustprune.records.outcomes import pack_outcomes
from mmrobustprune.report.comparison.differences import Lead, bootstrap, difference


def record(seed, right, **fields):
    packed = pack_outcomes(right, 'images')
    value = 100 * float(np.mean(right))
    return dict({'seed': seed, 'clean': value, 'outcomes': {'clean-0': packed}}, **fields)


def test_seeds_and_images():
    """Of 100 images 30 more are right; by seeds +29 and +31."""
    base = np.arange(100) < 40
    ours = [record(0, np.arange(100) < 69), record(1, np.arange(100) < 71)]
    found = difference(ours, [record(0, base), record(1, base)], 'clean')
    assert found.mean == pytest.approx(30)
    half = 12.7062 * 2**0.5 / 2**0.5  # t(1) s / sqrt(2), s = sqrt(2)
    assert found.seeds == pytest.approx((30 - half, 30 + half), abs=1e-3)
    low, high = found.images  # about 30 -+ 1.96 * sqrt(.3 * .7 / 100)
    assert low == pytest.approx(21, abs=1.5) and high == pytest.approx(39, abs=1.5)
    assert found.mark == '▲' and found.text('.1f').startswith('+30.0 ▲ [')


def test_the_bootstrap_of_equal_gaps_is_a_point():
    assert bootstrap(np.full(7, 3.0), draws=10) == (3.0, 3.0)


def test_a_mean_over_corruptions_is_over_their_cells():
    kinds = dict(fog=0.0, snow=0.0)

    def one(fog, snow):
        outcomes = {'fog-3': pack_outcomes(fog, 'i'), 'snow-3': pack_outcomes(snow, 'i')}
        mean = 50 * (float(np.mean(fog)) + float(np.mean(snow)))
        outcomes['clean-0'] = pack_outcomes([True], 'i')
        return dict(seed=0, mPC=mean, per_corruption=kinds, outcomes=outcomes)

    found = difference([one([1, 1], [1, 0])], [one([0, 1], [0, 0])], 'mPC')
    assert found.mean == 50 and found.seeds is None
    assert found.images == (0.0, 100.0) and found.mark == ''  # gaps of 100 and 0


def test_one_seed_is_marked_in_brackets_and_other_images_not_at_all():
    right = np.ones(50, bool)
    assert difference([record(0, right)], [record(0, ~right)], 'clean').mark == '(▲)'
    assert difference([record(0, ~right)], [record(0, right)], 'clean').mark == '(▼)'
    other = dict(record(0, ~right), outcomes={'clean-0': pack_outcomes(~right, 'others')})
    assert difference([record(0, right)], [other], 'clean') == Lead(100.0)


def test_only_equal_seeds_are_paired():
    right = np.ones(4, bool)
    assert difference([record(0, right)], [record(1, right)], 'clean') is None
    both = [record(0, right), record(1, ~right)]
    assert difference(both, [record(1, ~right)], 'clean').mean == 0
    assert difference(both, both, 'mPC') is None
