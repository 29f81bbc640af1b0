"""Comparisons of what is not alike are marked."""

from dataclasses import replace

from mmrobustprune.report.paper.alike import unequal
from mmrobustprune.report.paper.layout import Row
from mmrobustprune.report.paper.numbers import Number
from mmrobustprune.report.paper.observe import Observation
from tests.report.paper.runs import SMALL


def run(label, **numbers):
    return Observation(label, {}, {key: Number(value) for key, value in numbers.items()})


def test_a_block_whose_runs_had_unequal_epochs_or_macs_is_named():
    table = replace(SMALL, alike=('epochs', 'macs'))
    rows = (Row(('a',), block='x'), Row(('b',), block='x'), Row(('c',), block='y'), Row(('d',)))
    alike = run('a', epochs=300, macs=1000)
    close = run('b', epochs=300, macs=991)
    longer = run('b', epochs=600, macs=900)
    far = run('c', epochs=1)
    assert unequal(table, rows, {0: [alike], 1: [close], 2: [far], 3: [longer]}) == ()
    assert unequal(table, rows, {0: [alike], 1: [longer], 2: [far]}) == (
        'Not a fair comparison, x differs in epochs: a 300, b 600.',
        'Not a fair comparison, x differs in macs: a 1,000, b 900.',
    )
    assert unequal(SMALL, rows, {0: [alike], 1: [longer]}) == ()
