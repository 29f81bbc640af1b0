"""What follows from two columns, and that every table is whole data."""

from dataclasses import replace

import pytest

from mmrobustprune.report.paper import TABLES, TableColumn, as_csv, fill, get_table
from mmrobustprune.report.paper.layout import delta, overhead
from mmrobustprune.report.paper.numbers import Number
from mmrobustprune.report.tables.cards import average
from tests.report.paper.runs import line, searched


def test_the_gap_is_printed_with_both_its_terms_and_the_better_of_a_pair_is_bold():
    table = fill(
        TABLES['s2ap-2'],
        [
            searched(0.99, 'HYDRA', 'Orig.', 93.05, 31.24, net='wrn-28-4', data='svhn'),
            searched(0.99, 'HYDRA', 'S2AP', 85.80, 42.43, net='wrn-28-4', data='svhn'),
        ],
    )
    assert line(table, 'WRN-28-4', '99 %') == [
        '-',
        '-',
        '-',
        '93.05/31.24',
        '**85.80/42.43**',
        '+18.44 (clean \u22127.25, robust +11.19)',
    ]
    assert line(table, 'WRN-28-4', '95 %') == ['-'] * 6


def test_overhead_is_relative_to_the_original():
    runs = [
        searched(0.9, 'HARP', 'Orig.', 1.0, 1.0),
        searched(0.9, 'HARP', 'S2AP', 1.0, 1.0, warmup=False),
    ]
    runs = [
        replace(one, numbers={'search hours': Number(value)})
        for one, value in zip(runs, (3.27, 3.96), strict=True)
    ]
    assert line(fill(TABLES['s2ap-7'], runs), 'CIFAR-10', 'ResNet18', 'HARP') == [
        '3.27',
        '3.96',
        '+21.1',
    ]


@pytest.mark.parametrize('name', TABLES)
def test_every_table_is_whole_data_and_empty_without_runs(name):
    table = get_table(name)
    filled = fill(table, [])
    assert all(len(row.labels) == len(table.heads) for row in table.rows)
    names = [column.name for column in table.columns]
    assert len(set(names)) == len(names)
    assert all(
        set(column.of) <= set(names)
        for column in table.columns
        if not isinstance(column, TableColumn)
    )
    assert not any(any(cells) for cells in filled.cells.values())
    lines = as_csv(filled).splitlines()
    assert (
        len(lines) == len(filled.rows) + 1
        and len({one.count(',') for one in lines if '"' not in one}) == 1
    )
    rows = [(row.labels, tuple(sorted(row.where.items(), key=str))) for row in filled.rows]
    assert len(set(map(str, rows))) == len(rows)


def averages(*numbers):
    return [average([one]) for one in numbers]


def test_the_gap_is_a_text_and_three_numbers():
    column = delta('HARP')
    assert (column.name, column.of) == ('HARP Δ (terms)', ('HARP Orig.', 'HARP S2AP'))
    pair = averages(90.0, 50.0), averages(88.0, 53.0)
    assert column.text(*pair) == '+5.00 (clean \u22122.00, robust +3.00)'
    numbers = {name: number(*pair) for name, number in column.values.items()}
    assert numbers == dict(delta=5.0, clean=-2.0, robust=3.0)
    assert delta().name == 'Δ (terms)' and delta().of == ('Orig.', 'S2AP')


def test_a_gap_of_nothing_has_no_sign():
    pair = averages(80.0, 50.0), averages(80.0, 50.0)
    column = delta()
    assert {str(number(*pair)) for number in column.values.values()} == {'0.0'}
    assert column.text(*pair) == '+0.00 (clean +0.00, robust +0.00)'


def test_the_gap_is_of_the_means_of_the_seeds():
    original = average([90.0, 92.0]), average([50.0, 51.0])
    ours = average([91.0]), average([54.0, 53.0, 55.0])
    assert delta().values['delta'](original, ours) == pytest.approx(0.0 + 3.5)


def test_a_faster_search_has_an_overhead_below_zero():
    column = overhead()
    assert (column.name, column.of) == ('overhead (%)', ('Orig.', 'S2AP'))
    assert column.text(averages(4.0), averages(3.0)) == '-25.0'
    assert column.values['overhead'](averages(2.0), averages(5.0)) == pytest.approx(150.0)


def test_a_column_is_called_by_its_group_and_title():
    assert TableColumn('S2AP', ('clean',), group='HARP').name == 'HARP S2AP'
    assert TableColumn('clean', ('clean',)).name == 'clean'
