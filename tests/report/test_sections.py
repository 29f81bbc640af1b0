"""The sections of a report: which are there, what they say, and the numbers beside figures."""

from dataclasses import replace

import pytest

from mmrobustprune.report.runs import Log, Run, read_runs
from mmrobustprune.report.sections import accuracy, training
from mmrobustprune.report.summary import write_report
from mmrobustprune.report.tables.grid import grids
from tests.report.records import run, save_hits


def test_the_numbers_of_every_figure_lie_beside_it(work_dirs, tmp_path):
    out = write_report(
        read_runs([work_dirs / name for name in ('dense', 'adasap-seed0', 'adasap-seed1')]),
        tmp_path / 'report',
    ).parent
    cells = (out / 'cells.csv').read_text().splitlines()
    assert (
        cells[:2] == ['run,corruption,severity,AP50', 'dense,clean,0,0.8']
        and len(cells) == 1 + 3 * 5
    )
    margins = (out / 'margins.csv').read_text().splitlines()
    assert [line.split(',')[:3] for line in margins[1:]] == [
        ['adasap', 'dense', name] for name in ('snow', 'fog', 'mean')
    ]
    assert float(margins[1].split(',')[3]) == pytest.approx(-0.1) and margins[1].endswith(',,')
    assert len((out / 'per_class.csv').read_text().splitlines()) == 1 + 2 * 2


def test_margins_are_taken_against_the_reference(tmp_path):
    for name in 'abc':
        save_hits(
            tmp_path / name,
            name,
            {('fog', 1): [True] * 8 + [False] * 2, ('snow', 1): [True] * 5 + [False] * 5},
        )
    runs = read_runs([tmp_path / name for name in 'abc'])
    text = write_report(runs, tmp_path / 'out', reference='b').read_text()
    assert 'Margin over b' in text and 'paired bootstrap' in text
    rows = (tmp_path / 'out' / 'margins.csv').read_text().splitlines()[1:]
    assert {tuple(row.split(',')[:2]) for row in rows} == {('a', 'b'), ('c', 'b')}
    with pytest.raises(ValueError, match="no run is called 'B'.*among a, b, c"):
        write_report(runs, tmp_path / 'other', reference='B')
    assert not (tmp_path / 'other').exists()


def sections(runs, out, reference='dense'):
    """All of `accuracy`, the first run of every name shown."""
    every = list(zip(runs, grids(runs), strict=True))
    shown = {one.name: (one, grid) for one, grid in reversed(every)}
    shown = [shown[name] for name in dict.fromkeys(one.name for one in runs)]
    parts = accuracy(shown, every, reference, 0, out)
    for part in parts:
        assert all((out / figure).is_file() for figure in part.figures)
    return {part.title: part for part in parts}


def test_nothing_evaluated_is_nothing_drawn(tmp_path):
    assert accuracy([], [], 'dense', 0, tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_one_run_at_one_severity_has_its_bars_and_its_cells(tmp_path):
    found = sections([run(levels=(3,))], tmp_path)
    assert list(found) == ['Every corruption', 'Every cell']
    assert found['Every corruption'].note == 'Dashed: clean.'
    assert found['Every cell'].note == 'The row mean is over the corruptions above it.'
    assert {file.name for file in tmp_path.iterdir()} == {
        'cells.csv',
        'corruptions.png',
        'heatmap.png',
    }


def test_a_missing_cell_is_blank_in_the_file_and_hatched(tmp_path):
    found = sections([run(slope=0.125, drop=[('fog', 3)], kinds=('fog',))], tmp_path)
    cells = (tmp_path / 'cells.csv').read_text()
    value = 0.8 - 0.125 - 0.01 * 9 / 2  # fog has nine corruptions before it
    head, clean, first, second = cells.splitlines()
    assert (head, clean) == ('run,corruption,severity,AP50', 'dense,clean,0,0.8')
    assert first.startswith('dense,fog,1,') and float(first.split(',')[3]) == pytest.approx(value)
    assert second == 'dense,fog,3,'
    assert found['Every cell'].note.endswith(' Hatched: not there.')
    assert found['Every cell'].files == {'cells.csv': cells}


def test_repeats_are_all_in_the_file_and_the_first_alone_is_drawn(tmp_path):
    runs = [
        run(),
        replace(run('ours', clean=0.75), label='ours-seed0'),
        replace(run('ours', clean=0.5), label='ours-seed1'),
    ]
    found = sections(runs, tmp_path)
    assert list(found) == [
        'Accuracy against severity',
        'Clean against robust',
        'Every corruption',
        'Every cell',
        'Margin over dense',
    ]
    lines = (tmp_path / 'cells.csv').read_text().splitlines()
    assert [line for line in lines if ',clean,' in line] == [
        'dense,clean,0,0.8',
        'ours-seed0,clean,0,0.75',
        'ours-seed1,clean,0,0.5',
    ]
    assert len(lines) == 1 + 3 * 5
    margins = (tmp_path / 'margins.csv').read_text().splitlines()[1:]
    assert [float(line.split(',')[3]) for line in margins] == pytest.approx([-0.05] * 3)
    assert found['Every corruption'].note == (
        'Dashed: clean. Thin lines: from the worst to the best severity. Black ticks: dense.'
    )
    assert found['Margin over dense'].note == (
        'Right of zero the run is better than dense, corruption by corruption. '
        'No intervals: ours and dense kept no evidence of every image.'
    )


def test_areas_are_explained_where_there_are_some(tmp_path):
    runs = [run(levels=(3,)), run('ours', cost=dict(params=5), levels=(3,))]
    note = sections(runs, tmp_path)['Clean against robust'].note
    assert note.endswith('R = robust / clean. Areas go with the parameters.')
    runs = [replace(one, cost=None) for one in runs]
    assert sections(runs, tmp_path)['Clean against robust'].note.endswith('R = robust / clean.')


def test_without_an_evaluated_reference_there_are_no_margins(tmp_path):
    found = sections([run('a', levels=(3,)), run('b', levels=(3,))], tmp_path, reference='dense')
    assert list(found) == ['Clean against robust', 'Every corruption', 'Every cell']
    assert found['Every corruption'].note == 'Dashed: clean.'


def test_runs_without_a_corruption_in_common_have_no_margin(tmp_path):
    runs = [run(drop=[('fog', 1)]), run('ours', drop=[('snow', 3)])]
    found = sections(runs, tmp_path)
    assert 'Margin over dense' not in found and 'Clean against robust' not in found


def test_every_class_has_its_clean_value_mean_and_share(tmp_path):
    one = run(kinds=('fog',), classes=('cat', 'dog'))
    one.results['clean_per_class'].update(cat=0.5, dog=0.0)
    for cell, (cat, dog) in zip(one.results['cells'], ((0.5, 0.25), (0.25, 0.0)), strict=True):
        cell['per_class'] = dict(cat=cat, dog=dog)
    found = sections([one], tmp_path)['Every class']
    text = 'run,class,P,mPC,rPC\ndense,cat,0.5,0.375,0.75\ndense,dog,0.0,0.125,\n'
    assert (tmp_path / 'per_class.csv').read_text() == text
    assert found.files == {'per_class.csv': text}
    assert found.table.markdown() == (
        '|  | clean | mPC |\n| --- | ---: | ---: |\n'
        '| cat | 0.500 | 0.375 |\n| dog | 0.000 | 0.125 |\n'
    )
    assert found.note == 'Bars: mPC of the class; coloured ticks: clean.'


def test_of_many_classes_those_that_lose_most_are_shown(tmp_path):
    names = [f'class {at:02}' for at in range(22)]
    one = run(kinds=('fog',), levels=(3,), classes=names)
    one.results['clean_per_class'].update(dict.fromkeys(names, 0.9))
    for at, name in enumerate(names):
        one.results['cells'][0]['per_class'][name] = 0.03 * at
    found = sections([one], tmp_path)['Every class']
    assert list(found.table.rows) == names[:20]
    assert len((tmp_path / 'per_class.csv').read_text().splitlines()) == 1 + 22
    assert found.note.endswith('Of 22 classes the 20 that lose most in dense; the file holds all.')


def test_classes_that_one_run_lacks_are_left_out(tmp_path):
    runs = [
        run(levels=(3,), classes=('cat', 'dog')),
        run('ours', levels=(3,), classes=('dog', 'owl')),
    ]
    table = sections(runs, tmp_path)['Every class'].table
    assert list(table.rows) == ['dog']
    titles = [column.title for column in table.columns]
    assert titles == ['dense: clean', 'dense: mPC', 'ours: clean', 'ours: mPC']


def test_a_training_is_drawn_where_its_log_has_a_course(tmp_path):
    course = Log(loss=[(1, 2.0), (2, 1.0)], metric=[(2, 0.5)])
    runs = [
        Run('silent'),
        Run('one point', log=Log(loss=[(1, 2.0)])),
        Run('whole', log=course),
        run('evaluated'),
    ]
    (part,) = training(runs, tmp_path)
    assert (part.title, part.figures) == ('Training: whole', ('training_2.png',))
    assert [file.name for file in tmp_path.iterdir()] == ['training_2.png']


@pytest.mark.parametrize(
    'clean, course',
    [(0.8, [40.0, 50.0]), (0.004, [40.0, 50.0]), (0.8, [0.1, 0.5])],
    ids=['usual', 'lost all in the end', 'never above one'],
)
def test_a_training_in_per_cent_is_drawn_as_a_fraction(tmp_path, clean, course):
    loss = [(1, 2.0), (2, 1.0)]
    percent = Log(loss=loss, metric=list(enumerate(course, 1)))
    fraction = Log(loss=loss, metric=[(at, value / 100) for at, value in percent.metric])
    training([replace(run(clean=clean, whole=100), log=percent)], tmp_path)
    drawn = (tmp_path / 'training_0.png').read_bytes()
    training([replace(run(clean=clean), log=fraction)], tmp_path)
    assert (tmp_path / 'training_0.png').read_bytes() == drawn
