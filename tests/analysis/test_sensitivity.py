"""Limits from what was measured of each group."""

import pytest

from mmrobustprune.analysis.sensitivity import counts, drop, limits, most

DENSE = dict(clean=80.0, fog=40.0, snow=20.0)


def test_the_drop_is_the_larger_of_clean_and_corrupted():
    assert drop(DENSE, dict(clean=60.0, fog=40.0, snow=20.0)) == 0.25
    assert drop(DENSE, dict(clean=76.0, fog=30.0, snow=5.0)) == 0.5  # of 1/4 and 3/4
    assert drop(dict(clean=0.5), dict(clean=0.6)) == pytest.approx(-0.2)
    assert drop(dict(clean=80.0, fog=0.0), dict(clean=80.0, fog=0.0)) == 0.0


def test_the_limit_lies_between_what_was_measured():
    points = [(0.1, 0.02), (0.3, 0.10), (0.5, 0.5)]
    assert most(points, 0.06) == pytest.approx(0.2)
    assert most(points, 0.01) == pytest.approx(0.05)
    assert most(points, 0.3) == pytest.approx(0.4)
    assert most(points, 0.5) is None


def test_less_is_never_worse_than_more():
    """A chance gain at three tenths does not hide the loss at one."""
    assert most([(0.1, 0.04), (0.3, 0.0), (0.5, 0.08)], 0.06) == pytest.approx(0.4)


def test_limits_round_down_and_say_where_nothing_may_go():
    points = {
        'a': [(0.1, 0.02), (0.3, 0.05)],
        'b': [(0.25, 0.2)],
        'c': [(0.1, 0.0), (0.5, 0.3)],
    }
    assert limits(dict(a=10, b=4, c=100), points, 0.1) == {'b': 0.0, 'c': 0.23}
    assert limits(dict(a=10, b=9, c=100), points, 0.1) == {'b': 0.12, 'c': 0.23}


@pytest.mark.parametrize(
    'units, expected', [(64, [6, 19, 32]), (4, [1, 2]), (2, [1]), (1, []), (10, [1, 3, 5])]
)
def test_numbers_of_units(units, expected):
    assert counts(units, (0.1, 0.3, 0.5)) == expected
