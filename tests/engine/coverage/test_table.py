"""The page of the docs, and what counts as worse."""

import pytest

from mmrobustprune.engine.coverage.table import cells, compare, markdown, worse


def record(config='mmdet::a/b.py', **steps):
    done = dict(
        trace=dict(parameters=1234, params=0.9, macs=0.8, cause='a|b', lost=0.1, tried=True),
        prune=dict(params=0.75, macs=0.7, seconds=3.3),
        train=dict(seconds=1),
    )
    return dict(config=config, steps={**done, **steps})


def test_cells():
    assert cells(record()) == [
        'mmdet::a/b.py', '1,234', '90%', '80%', 'a|b (10%)', '0.70, 0.75', 'yes', '', '', '3', ''
    ]  # fmt: skip
    long = dict(error='x' * 100, kind='crash', seconds=1)
    row = cells(record(trace=long, train=long))
    assert row[1] == row[6] == 'x' * 87 + '...' and row[2:5] == ['', '', '']
    assert cells(record(prune=dict(params=1, macs=1)))[9] == ''
    untried = dict(parameters=1234, params=0.9, macs=0.8, cause='', lost=0)
    assert cells(record(trace=untried))[2:4] == ['at most 90%', 'at most 80%']


def test_the_page_counts_families():
    other = record('mmdet::a/c.py', prune=dict(error='no', kind='refused'))
    page = markdown([record(), other, record('mmpretrain::d/e.py')])
    assert '| mmdet | 1 | 1 of 1 | 1 of 1 | 0 of 0 | 1 of 1 | 0 of 0 | 0 of 0 |' in page
    assert '| mmdet::a/c.py | 1,234 |' in page
    assert 'a/b (10%)' in page  # no cell holds the sign between cells


FAILED = dict(error='it fails', kind='crash')
SHARES = dict(params=0.9, macs=0.9, tried=True)


@pytest.mark.parametrize(
    'step, now, said',
    [
        ('prune', FAILED, ['prune failed (it fails)']),
        ('trace', SHARES | dict(params=0.89), ['prunable params fell from 0.9 to 0.89']),
        ('trace', SHARES | dict(params=0.897), []),
        ('trace', dict(params=0.5, macs=0.5), []),  # another measure
        ('prune', dict(params=0.9, macs=0.71), ['MACs left rose from 0.7 to 0.71']),
        ('prune', dict(params=0.9, macs=0.703), []),
        ('load', FAILED, []),  # it was not recorded
        ('train', dict(seconds=99), []),
    ],
)
def test_what_is_worse(step, now, said):
    assert worse(record(), dict(config='mmdet::a/b.py', steps={step: now})) == said


def test_what_failed_before_may_fail_again():
    new = record(prune=FAILED)
    assert worse(record(prune=FAILED), new) == []
    assert compare([record(), record()], [new, record()]) == [
        'mmdet::a/b.py: prune failed (it fails)'
    ]
