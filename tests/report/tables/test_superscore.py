"""Superscore: oracle and honest choice, the gap between them, its tables and bars."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmrobustprune.report.tables.superscore import (
    ORACLE,
    Checkpoint,
    Pick,
    best_rows,
    markdown,
    optimism,
    superscore,
    tables,
)


def runs(val=True):
    """Ours is best in benign accuracy early and under attack late; theirs is one checkpoint."""
    rows = [
        ('ours', 10, (94.0, 40.0), (90.0, 39.0)),
        ('ours', 20, (93.0, 44.0), (91.0, 38.0)),
        ('ours', 30, (92.0, 44.0), (89.0, 41.0)),
        ('theirs', 5, (95.0, 30.0), (92.0, 29.0)),
    ]
    return [
        Checkpoint(
            method,
            epoch,
            dict(zip(('benign', 'PGD'), test, strict=True)),
            dict(zip(('benign', 'PGD'), held, strict=True)) if val else {},
        )
        for method, epoch, test, held in rows
    ]


def test_the_best_on_the_test_set_and_the_best_on_held_out_data():
    assert superscore(runs())['ours'] == {
        'benign': Pick(94.0, 10),
        'PGD': Pick(44.0, 20),
    }  # of two 44s the earlier
    assert superscore(runs(), 'val')['ours'] == {'benign': Pick(93.0, 20), 'PGD': Pick(44.0, 30)}
    assert optimism(runs()) == {
        'ours': {'benign': 1.0, 'PGD': 0.0},
        'theirs': {'benign': 0.0, 'PGD': 0.0},
    }


def test_rows_of_whole_checkpoints():
    assert [row.epoch for row in best_rows(runs(), 'ours')] == [10, 20]
    assert [row.epoch for row in best_rows(runs(), 'theirs')] == [5]


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100)), min_size=1, max_size=8))
def test_the_oracle_is_never_below_the_honest_choice(values):
    rows = [
        Checkpoint('m', epoch, {'a': test}, {'a': val}) for epoch, (test, val) in enumerate(values)
    ]
    assert optimism(rows)['m']['a'] >= 0
    assert superscore(rows)['m']['a'].value == max(test for test, _ in values)


def test_tables_say_who_chose():
    text = markdown(runs())
    assert (
        '(oracle)' in text
        and 'held-out data' in text
        and 'What choosing on the test set adds' in text
    )
    for line in (
        '| ours | 94.00 | **44.00** |',
        '| theirs | **95.00** | 30.00 |',
        '| ours | 1.00 | 0.00 |',
    ):
        assert line in text
    assert list(tables(runs(val=False))) == [ORACLE]


@pytest.mark.parametrize(
    'rows, select_on, sentence',
    [
        ([], 'test', 'no checkpoints'),
        (runs(), 'train', "choose 'test' or 'val'"),
        (runs(val=False), 'val', 'epoch 10 of ours has not the same values'),
        ([*runs(), Checkpoint('x', 1, {'benign': 1.0})], 'test', r'epoch 1 of x .*\(PGD'),
        (
            [*runs(), Checkpoint('x', 1, {'benign': 1.0, 'PGD': 1.0, 'C': 1.0})],
            'test',
            'more metrics',
        ),
    ],
)
def test_wrong_input_is_one_sentence(rows, select_on, sentence):
    with pytest.raises(ValueError, match=sentence):
        superscore(rows, select_on)
