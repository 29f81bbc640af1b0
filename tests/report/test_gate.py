import pytest

from mmrobustprune.report.gate import failures, parse_bounds
from tests.report.records import results

RUNS = {
    'dense': {**results(), 'P': 0.8, 'mPC': 0.5, 'rPC': 0.625, 'mCE': 71.5, 'latency': 20.0},
    'pruned': {**results(), 'P': 0.7, 'mPC': 0.3, 'rPC': 0.42857, 'mCE': 80.0, 'latency': 10.0},
}


def test_bounds_are_read():
    assert parse_bounds(['rPC=0.55', ' fog = .4 ', 'fog-3=1e-1']) == {
        'rPC': 0.55,
        'fog': 0.4,
        'fog-3': 0.1,
    }
    assert parse_bounds([]) == {}


@pytest.mark.parametrize(
    'text', ['rPC', '=0.5', 'rPC=', 'rPC=high', 'rPC=nan', 'rPC=inf', 'mCE<70', 'rPC=0.5=1']
)
def test_what_is_no_bound_is_refused(text):
    with pytest.raises(ValueError, match='cannot be read; give NAME=VALUE'):
        parse_bounds([text])


def test_a_bound_that_no_run_can_meet_is_refused_before_anything_is_evaluated():
    assert parse_bounds(['mCE=70', 'latency=9'], over=True) == {'mCE': 70, 'latency': 9}
    with pytest.raises(ValueError, match="there is no 'fgo' to bound .did you mean 'fog'"):
        parse_bounds(['fgo=.4'])
    with pytest.raises(ValueError, match='mCE is better when low; bound it with --fail-over'):
        parse_bounds(['mCE=70'])
    with pytest.raises(ValueError, match='fog-3 is better when high; bound it with --fail-under'):
        parse_bounds(['fog-3=.7'], over=True)


def test_a_name_is_bounded_once():
    with pytest.raises(ValueError, match="'P' has two bounds, 0.5 and 0.6"):
        parse_bounds(['P=.5', 'P=.6'])


def test_every_run_is_held_to_every_bound_and_equal_is_no_failure():
    assert failures(RUNS, {'mPC': 0.5, 'P': 0.75}, {}) == [
        'pruned: mPC is 0.3, below 0.5',
        'pruned: P is 0.7, below 0.75',
    ]
    assert failures(RUNS, {}, {'mCE': 70, 'latency': 20}) == [
        'dense: mCE is 71.5, above 70',
        'pruned: mCE is 80, above 70',
    ]
    assert failures(RUNS, {'mPC': 0.3}, {'mCE': 80}) == []


def test_corruptions_and_cells_have_names():
    fog = RUNS['dense']['per_corruption']['fog']
    cell = RUNS['dense']['cells'][1]['pascal_voc/AP50']
    assert failures(RUNS, {'fog': fog, 'fog-3': cell}, {}) == []
    assert len(failures(RUNS, {'fog': fog + 1e-9, 'fog-3': cell + 1e-9}, {})) == 4


def test_a_number_that_is_not_there_is_an_error():
    with pytest.raises(ValueError, match="run 'dense' has no 'fogg' .did you mean 'fog'"):
        failures(RUNS, {'fogg': 0.1}, {})
    with pytest.raises(
        ValueError,
        match="'mPC' of run 'a' could not be taken, because a cell or a baseline is missing",
    ):
        failures({'a': results(drop=[('fog', 3)])}, {'mPC': 0}, {})
    with pytest.raises(ValueError, match="run 'a' has no 'latency'"):
        failures({'a': results()}, {}, {'latency': 70})


def test_a_bound_in_the_wrong_direction_is_refused():
    with pytest.raises(ValueError, match='mCE is better when low; bound it with --fail-over'):
        failures(RUNS, {'mCE': 70}, {})
    with pytest.raises(ValueError, match='fog is better when high; bound it with --fail-under'):
        failures(RUNS, {}, {'fog': 0.5})
