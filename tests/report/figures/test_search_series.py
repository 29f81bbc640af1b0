"""Values along searches: repeats together, at the epochs that all of them have."""

import pytest

from mmrobustprune.report.figures.search_series import Series, group, series
from tests.report.figures.drawn import records


def test_repeats_are_a_mean_and_a_range_at_their_common_epochs():
    runs = {
        'a-seed0': records(1.0, 2.0, 3.0),
        'b': records(7.0),
        'a-seed1': records(4.0, None, 5.0, 6.0),
    }
    found = series(runs, 'lambda_max')
    assert list(found) == ['a', 'b']
    one = found['a']
    assert (one.epochs, one.mean, one.low, one.high, one.repeats) == (
        (1, 3),
        (2.5, 4.0),
        (1.0, 3.0),
        (4.0, 5.0),
        2,
    )
    assert found['b'].mean == (7.0,)


@pytest.mark.parametrize(
    'runs, words',
    [
        ({'a': records(1.0), 'b': records(None)}, "'b' has no 'lambda_max' at any epoch"),
        ({'a-seed0': records(1.0), 'a-seed1': records(1.0, first=4)}, 'that all its repeats have'),
    ],
)
def test_what_was_not_measured_is_said(runs, words):
    with pytest.raises(ValueError, match=words):
        series(runs, 'lambda_max')


def test_one_run_is_its_own_mean_and_range_in_the_order_of_its_epochs():
    rows = [{'epoch': 2, 'x': 4.0}, {'epoch': 1, 'x': 8.0}, {'epoch': 3}, {'epoch': 4, 'x': None}]
    assert series({'a': rows}, 'x') == {
        'a': Series(epochs=(1, 2), mean=(8.0, 4.0), low=(8.0, 4.0), high=(8.0, 4.0), repeats=1)
    }


def test_three_seeds_are_at_the_epochs_that_all_have():
    runs = {
        'a-seed0': records(1.0, 2.0, 3.0),
        'a-seed1': records(5.0, 6.0, first=2),
        'a-seed10': records(8.0, 7.0, 9.0),
    }
    one = series(runs, 'lambda_max')['a']
    assert (one.epochs, one.mean) == ((2, 3), (pytest.approx(14 / 3), 6.0))
    assert (one.low, one.high, one.repeats) == ((2.0, 3.0), (7.0, 9.0), 3)


def test_a_zero_is_a_value():
    assert series({'a': records(0.0, 0, None)}, 'lambda_max')['a'].mean == (0.0, 0.0)


def test_the_sentence_names_the_runs_own_key():
    with pytest.raises(ValueError) as error:
        series({'a': records(1.0)}, 'hamming_first')
    assert str(error.value) == (
        "'a' has no 'hamming_first' at any epoch; measure it, or leave the run out."
    )


def test_means_are_given_at_any_epochs_of_theirs():
    one = series({'a': records(1.0, 2.0, 4.0)}, 'lambda_max')['a']
    assert one.at([3, 1]) == [4.0, 1.0] and one.at([]) == []


def test_names_are_repeats_where_only_a_seed_at_their_end_differs():
    names = ['a-seed0', 'b', 'a-seed12', 'a-seed1-long', 'a-seedx', 'a']
    assert group(names) == {
        'a': ['a-seed0', 'a-seed12', 'a'],
        'b': ['b'],
        'a-seed1-long': ['a-seed1-long'],
        'a-seedx': ['a-seedx'],
    }
    assert group([]) == {} == series({}, 'x')
