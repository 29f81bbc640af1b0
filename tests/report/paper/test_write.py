"""Filled tables as they are printed: Markdown, CSV, the terminal, and the notes below."""

import io
from dataclasses import replace

from rich.console import Console

from mmrobustprune.report.paper import (
    TABLES,
    Row,
    Table,
    TableColumn,
    as_csv,
    as_rich,
    fill,
    markdown,
    notes,
    write,
)
from mmrobustprune.report.paper.layout import delta
from mmrobustprune.report.paper.numbers import Number
from mmrobustprune.report.paper.observe import Observation
from mmrobustprune.report.paper.write import heads, texts
from tests.report.paper.runs import SMALL, line, run, searched


def test_seeds_give_mean_and_sample_deviation_and_one_seed_none():
    table = fill(
        TABLES['s2ap-1'],
        [
            searched(0.8, 'HARP', 'Orig.', 80.0, 48.0, 0),
            searched(0.8, 'HARP', 'Orig.', 82.0, 50.0, 1),
            searched(0.8, 'HARP', 'S2AP', 81.0, 50.0, 0),
        ],
    )
    assert line(table, 'ResNet18', '80 %')[:3] == [
        '81.00/49.00 ± 1.41',
        '**81.00/50.00**',
        '+1.00 (clean +0.00, robust +1.00)',
    ]
    assert any('sample standard deviation' in note for note in notes(table))
    spread = repr(2**0.5)[:14]
    head, first = (one.split(',') for one in as_csv(table).splitlines()[:2])
    found = dict(zip(head, first, strict=True))
    assert [found[f'HARP Orig. robust{part}'][:14] for part in ('', ' spread', ' runs')] == [
        '49.0',
        spread,
        '2',
    ]
    assert [found[f'HARP S2AP clean{part}'] for part in ('', ' spread', ' runs')] == [
        '81.0',
        '',
        '1',
    ]
    assert found['HARP Δ (terms) delta'] == '1.0'


def test_files_and_the_terminal_hold_the_same_table(tmp_path):
    table = fill(SMALL, [run('a', value=2.0), run('b')])
    path = write(table, tmp_path / 'out', 'small')
    assert (
        path.read_text()
        == markdown(table)
        == '# small\n\n| arm | X |\n| --- | ---: |\n| a | **2.00** |\n| b | 1.00 |\n'
    )
    assert (
        tmp_path / 'out' / 'small.csv'
    ).read_text() == 'arm,X,X spread,X runs\na,2.0,,1\nb,1.0,,1\n'
    out = io.StringIO()
    Console(file=out, width=80).print(as_rich(table))
    assert all(text in out.getvalue() for text in ('small', 'arm', '2.00', '1.00'))


PAIR = Table(
    'pair',
    ('seeds',),
    (
        TableColumn('Orig.', ('clean', 'pgd'), dict(search='Orig.'), form='.1f'),
        TableColumn('S2AP', ('clean', 'pgd'), dict(search='S2AP'), form='.1f'),
        delta(),
    ),
    (Row(('all',)),),
    note='In per cent.',
)


def arm(search, seed=0, under='', **numbers):
    found = {key: Number(value, under if key == 'pgd' else '') for key, value in numbers.items()}
    return Observation(f'{search}-{seed}', dict(search=search, seed=seed), found)


def terminal(table):
    out = io.StringIO()
    Console(file=out, width=100).print(table)
    return [row.strip() for row in out.getvalue().splitlines()]


def test_a_part_that_was_not_run_leaves_a_dash_in_its_cell_and_no_gap():
    filled = fill(PAIR, [arm('Orig.', clean=90.0), arm('S2AP', clean=88.0, pgd=41.26)])
    assert heads(filled) == ['seeds', 'Orig.', 'S2AP', 'Δ (terms)']
    assert texts(filled) == [['all', '90.0/-', '88.0/41.3', '-']]
    assert as_csv(filled) == (
        'seeds,Orig. clean,Orig. clean spread,Orig. clean runs'
        ',Orig. pgd,Orig. pgd spread,Orig. pgd runs'
        ',S2AP clean,S2AP clean spread,S2AP clean runs,S2AP pgd,S2AP pgd spread,S2AP pgd runs'
        ',Δ (terms) delta,Δ (terms) clean,Δ (terms) robust\n'
        'all,90.0,,1,,,0,88.0,,1,41.26,,1,,,\n'
    )


def test_one_arm_alone_leaves_the_others_cells_empty():
    filled = fill(PAIR, [arm('S2AP', clean=88.0, pgd=41.0)])
    assert texts(filled) == [['all', '-', '88.0/41.0', '-']]
    assert as_csv(filled).splitlines()[1] == 'all,,,0,,,0,88.0,,1,41.0,,1,,,'


def test_notes_say_what_numbers_depend_on_and_which_runs_have_no_place():
    runs = [
        arm('Orig.', under='pgd, 10 steps', pgd=40.0),
        arm('Orig.', 1, under='pgd, 10 steps', pgd=42.0),
        arm('S2AP', under='pgd, 10 steps', pgd=41.0),
        arm('AWP', 3, pgd=1.0),
    ]
    assert notes(fill(PAIR, runs)) == [
        'In per cent.',
        '±: sample standard deviation over the seeds; a cell without it is of one seed.',
        'Orig., S2AP: pgd, 10 steps.',
        "Not in this table: AWP-3 (search AWP, seed 3: has search AWP where 'all' wants Orig.).",
    ]
    alone = fill(PAIR, runs[2:3])
    assert notes(alone) == ['In per cent.', 'S2AP: pgd, 10 steps.']
    assert markdown(alone) == (
        '# pair\n\n'
        '| seeds | Orig. | S2AP | Δ (terms) |\n'
        '| --- | ---: | ---: | ---: |\n'
        '| all | - | -/41.0 | - |\n'
        '\nIn per cent.\n\nS2AP: pgd, 10 steps.\n'
    )


def test_the_deviation_is_explained_where_one_is_printed():
    runs = [arm('Orig.', clean=90.0, pgd=40.0), arm('Orig.', 1, clean=92.0)]
    filled = fill(PAIR, runs)
    assert texts(filled)[0][1] == '91.0/40.0'
    assert notes(filled) == ['In per cent.']
    both = fill(PAIR, [runs[0], arm('Orig.', 1, clean=92.0, pgd=46.0)])
    assert texts(both)[0][1] == '91.0/43.0 ± 4.2' and len(notes(both)) == 2


def test_the_mark_is_put_round_the_best_with_its_deviation():
    filled = fill(SMALL, [run('a', value=2.0), run('a', 1, value=4.0), run('b')])
    assert texts(filled, '<{}>') == [['a', '<3.00 ± 1.41>'], ['b', '1.00']]


def test_names_in_brackets_stand_in_the_terminal_as_they_are():
    arms = [run('ours [sam]', value=2.0), run('b [/x]')]
    table = replace(SMALL, columns=(replace(SMALL.columns[0], title='X [ms]'),))
    rows = terminal(as_rich(fill(table, arms)))
    assert any('arm' in row and 'X [ms]' in row for row in rows)
    assert any('ours [sam]' in row and '2.00' in row for row in rows)
    assert any('b [/x]' in row and '1.00' in row for row in rows)
    assert not any('green' in row for row in rows)


def test_a_file_that_was_written_before_is_replaced(tmp_path):
    write(fill(SMALL, [run('a'), run('b')]), tmp_path, 'small')
    write(fill(SMALL, [run('c', value=0.25)]), str(tmp_path), 'small')
    assert (tmp_path / 'small.csv').read_text() == 'arm,X,X spread,X runs\nc,0.25,,1\n'
    assert '| c | 0.25 |' in (tmp_path / 'small.md').read_text()


def test_a_run_with_missing_cells_is_named_with_them():
    whole = run('a', value=2.0)
    torn = replace(run('b'), lacks=('imagenet-c lacks fog',))
    said = 'b-0: imagenet-c lacks fog, so its mean is left out; evaluate it to the end.'
    assert notes(fill(SMALL, [whole, torn])) == [said]
