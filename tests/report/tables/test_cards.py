import io

import pytest
from rich.console import Console

from mmrobustprune.report.tables.cards import Card, Column, average

COLUMNS = [
    Column('ap', 'AP50', '.3f', 'high'),
    Column('params', 'parameters', ',.0f', 'low'),
    Column('mpc', 'mPC'),
]
RECORDS = [
    dict(name='dense', ap=0.80, params=3_000_000, mpc=0.4),
    dict(name='pruned', ap=0.70, params=1_500_000, mpc=None),
    dict(name='pruned', ap=0.80, params=1_500_000, mpc=float('nan')),
]


def test_repeats_are_averaged_and_their_sample_deviation_is_shown():
    cell = Card(RECORDS, COLUMNS).rows['pruned']['ap']
    assert (
        cell.mean == pytest.approx(0.75)
        and cell.spread == pytest.approx(0.05 * 2**0.5)
        and cell.runs == 2
    )
    assert cell.text('.3f') == '0.750 ± 0.071'


def test_markdown_marks_the_best_and_leaves_what_was_not_run():
    assert Card(RECORDS, COLUMNS).markdown() == (
        '|  | AP50 | parameters | mPC |\n'
        '| --- | ---: | ---: | ---: |\n'
        '| dense | **0.800** | 3,000,000 | 0.400 |\n'
        '| pruned | 0.750 ± 0.071 | **1,500,000 ± 0** | - |\n'
    )


def test_equal_printed_values_are_both_best_and_one_alone_is_not():
    card = Card([dict(name='a', ap=0.8001, mpc=0.1), dict(name='b', ap=0.8002)], COLUMNS)
    assert card.best(COLUMNS[0]) == {'a', 'b'}
    assert card.best(COLUMNS[2]) == card.best(COLUMNS[1]) == set()


def test_csv_and_dict_hold_full_precision_and_say_how_many_runs():
    card = Card(RECORDS, COLUMNS)
    lines = card.csv().splitlines()
    assert (
        lines[0]
        == 'name,ap,ap_spread,ap_runs,params,params_spread,params_runs,mpc,mpc_spread,mpc_runs'
    )
    assert lines[1] == 'dense,0.8,,1,3000000.0,,1,0.4,,1'
    assert lines[2].startswith('pruned,0.75,0.07071067811865') and lines[2].endswith(',,,0')
    assert card.to_dict()['pruned']['mpc'] is None and card.to_dict()['dense']['ap'] == dict(
        mean=0.8, spread=None, runs=1
    )


def test_the_terminal_table_holds_the_same_texts():
    out = io.StringIO()
    Console(file=out, width=100).print(Card(RECORDS, COLUMNS).rich('arms'))
    assert all(
        text in out.getvalue() for text in ('arms', 'AP50', '0.750 ± 0.071', '1,500,000', '-')
    )


def test_names_in_brackets_stand_in_the_terminal_as_they_are():
    records = [dict(name='ours [sam]', ap=0.5), dict(name='b [/x]', ap=0.25)]
    out = io.StringIO()
    card = Card(records, [Column('ap', 'AP [0, 1] [max]', '.2f', 'high')])
    Console(file=out, width=100).print(card.rich('all [one seed]'))
    title, *rows = out.getvalue().splitlines()
    assert title.strip() == 'all [one seed]' and 'AP [0, 1] [max]' in rows[1]
    assert rows[3].split() == ['│', 'ours', '[sam]', '│', '0.50', '│']
    assert rows[4].split() == ['│', 'b', '[/x]', '│', '0.25', '│']


def test_wrong_records_and_columns_are_named():
    with pytest.raises(ValueError, match="no 'name'"):
        Card([dict(ap=1)], COLUMNS)
    with pytest.raises(ValueError, match="'high', 'low' or ''"):
        Column('ap', 'AP50', better='up')


def test_a_bar_in_a_name_ends_no_cell():
    card = Card([dict(name='lr=1|2', ap=0.5)], COLUMNS)
    assert r'| lr=1\|2 | 0.500 |' in card.markdown()
    assert 'lr=1|2,' in card.csv()


def test_the_interval_of_a_mean_is_that_of_students_t():
    three = average([1.0, 2.0, 3.0])
    assert three.half_width() == pytest.approx(4.303 / 3**0.5, rel=1e-4)  # t(2) = 4.303
    assert average([1.0]).half_width() is None
