import json
import re

import pytest

from mmrobustprune.report.gate import failures
from mmrobustprune.report.page import Part
from mmrobustprune.report.runs import Run, read_run, read_runs
from mmrobustprune.report.summary import comparison, numbers, write_report
from tests.report.records import results, run, save_hits


def _log(phases=(0, 0, 1, 1, 2, 2)):
    lines = [
        dict(
            loss=2 / (i + 1), iter=i + 1, step=i + 1, phase=phase, removed_params=0.5 * (phase == 2)
        )
        for i, phase in enumerate(phases)
    ]
    lines.insert(3, {'pascal_voc/AP50': 0.5, 'step': 1})
    return '\n'.join(map(json.dumps, lines))


@pytest.fixture
def work_dirs(tmp_path):
    for name, clean, params in (
        ('dense', 0.8, 100),
        ('adasap-seed0', 0.7, 50),
        ('adasap-seed1', 0.6, 50),
    ):
        folder = tmp_path / name
        (folder / 'corrupted').mkdir(parents=True)
        (folder / 'corrupted' / 'results.json').write_text(
            json.dumps(results(clean, classes=('cat', 'dog')))
        )
        (folder / 'cost.json').write_text(
            json.dumps(dict(params=params, macs=10 * params, latency=3.2))
        )
        (folder / '2024' / 'vis_data').mkdir(parents=True)
        (folder / '2024' / 'vis_data' / 'scalars.json').write_text(_log())
    return tmp_path


def test_a_run_is_read_from_its_folder(work_dirs):
    run = read_run(work_dirs / 'adasap-seed1')
    assert (run.name, run.label, run.metric) == ('adasap', 'adasap-seed1', 'AP50')
    content = run.results
    assert run.record() == dict(
        name='adasap',
        params=50,
        macs=500,
        latency=3.2,
        clean=0.6,
        mPC=content['mPC'],
        rPC=content['rPC'],
    )
    assert run.folder == work_dirs / 'adasap-seed1' / 'corrupted'
    assert (
        run.log.loss[0] == (1, 2.0)
        and run.log.metric == [(3, 0.5)]
        and run.log.share[-1] == (6, 0.5)
    )
    assert run.log.phases == [('adaptive warm-up', 0, 2), ('pruning', 2, 4), ('fine-tuning', 4, 6)]


def test_several_runs_are_repeats_only_where_seeds_say_so(work_dirs):
    def names(*words):
        return [(run.name, run.label) for run in read_runs([str(word) for word in words])]

    assert names(work_dirs / 'adasap-seed0', work_dirs / 'adasap-seed1') == [
        ('adasap', 'adasap-seed0'),
        ('adasap', 'adasap-seed1'),
    ]
    inner = work_dirs / 'dense' / 'corrupted', work_dirs / 'adasap-seed0' / 'corrupted'
    assert names(*inner) == [('dense/corrupted',) * 2, ('adasap-seed0/corrupted',) * 2]
    assert names(f'ours={inner[1]}', inner[0])[0] == ('ours', 'ours')
    assert names(f'x={inner[1]}', f'x={inner[0]}') == [
        ('x', f'x ({inner[1]})'),
        ('x', f'x ({inner[0]})'),
    ]
    with pytest.raises(ValueError, match='dense is given twice'):
        names(work_dirs / 'dense', f'again={work_dirs / "dense"}')


def test_folders_of_one_name_get_as_much_of_their_paths_as_tells_them_apart(tmp_path):
    places = [tmp_path / name / 'dense' / 'c' for name in ('e1', 'e2')]
    for place, clean in zip(places, (0.8, 0.3), strict=True):
        place.mkdir(parents=True)
        (place / 'results.json').write_text(json.dumps(results(clean=clean)))
    runs = read_runs(places)
    assert [(run.name, run.label) for run in runs] == [('e1/dense/c',) * 2, ('e2/dense/c',) * 2]
    bounds = dict(mPC=0.4)
    found = failures(numbers(read_runs([f'x={place}' for place in places])), bounds, {})
    assert len(found) == 1 and 'e2' in found[0]  # neither hides the other
    with pytest.raises(ValueError, match="two runs are called 'same'"):
        numbers([run('same'), run('same')])


def test_a_resumed_run_replaces_the_lines_it_repeats(work_dirs):
    later = work_dirs / 'dense' / '2025' / 'vis_data'
    later.mkdir(parents=True)
    (later / 'scalars.json').write_text(json.dumps(dict(loss=9.0, iter=6, step=6)))
    log = read_run(work_dirs / 'dense').log
    assert log.loss[-1] == (6, 9.0) and len(log.loss) == 6


def test_folders_that_are_no_run_or_two_are_refused(work_dirs, tmp_path):
    (tmp_path / 'empty').mkdir()
    with pytest.raises(FileNotFoundError, match='holds no results.json'):
        read_run(tmp_path / 'empty')
    (work_dirs / 'dense' / 'again').mkdir()
    (work_dirs / 'dense' / 'again' / 'results.json').write_text('{}')
    with pytest.raises(ValueError, match='holds 2 files results.json'):
        read_run(work_dirs / 'dense')


def _read(work_dirs):
    return read_runs([work_dirs / name for name in ('dense', 'adasap-seed0', 'adasap-seed1')])


def test_the_report_holds_tables_pictures_and_one_page_with_all_of_them(work_dirs, tmp_path):
    page = write_report(
        _read(work_dirs),
        tmp_path / 'report',
        'A <comparison>',
        [Part('Tree', text='a < b')],
        foot='made here',
    )
    names = {file.name for file in page.parent.iterdir()}
    assert names == {
        'index.html',
        'report.md',
        'table.md',
        'table.csv',
        'table.json',
        'cells.csv',
        'margins.csv',
        'per_class.csv',
        'corruptions.png',
        'severity.png',
        'scatter.png',
        'heatmap.png',
        'margin_0.png',
        'classes.png',
        'training_0.png',
        'training_1.png',
    }
    text = page.read_text()
    assert (
        'A &lt;comparison&gt;' in text
        and 'a &lt; b' in text
        and '0.650 ± 0.071' in text
        and '<b>0.800</b>' in text
    )
    pictures = [name for name in names if name.endswith('.png')]
    assert text.count('src="data:image/png;base64,') == len(pictures)
    assert all(
        link.startswith(('data:', '#')) for link in re.findall(r'(?:src|href)="([^"]*)"', text)
    )
    assert (
        'sample standard deviation over the runs of one name (adasap: 2); figures show the first of them'
        in text
    )
    for stamp in (
        '<dt>suite</dt><dd>voc-c</dd>',
        '<dt>seed</dt><dd>0</dd>',
        'd1, 10 images',
        'torch 2',
        'adasap-seed1: command',
        'a.pth',
    ):
        assert stamp in text
    assert all(f'(<{name}>)' in (page.parent / 'report.md').read_text() for name in pictures)
    assert json.loads((page.parent / 'table.json').read_text())['adasap']['clean']['runs'] == 2


def test_the_numbers_of_every_picture_lie_beside_it(work_dirs, tmp_path):
    out = write_report(_read(work_dirs), tmp_path / 'report').parent
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


def test_one_run_is_reported_too(tmp_path):
    out = write_report([run('only')], tmp_path).parent
    assert {file.suffix for file in out.iterdir()} >= {'.png', '.html'}
    assert not (out / 'scatter.png').exists() and not (out / 'margin_0.png').exists()
    with pytest.raises(ValueError, match='no run was given'):
        write_report([], tmp_path)


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


def test_missing_cells_give_no_mean_unless_partial_and_it_is_said(tmp_path):
    runs = [run('a', drop=[('fog', 3)]), run('b')]
    row = comparison(runs).rows['a']
    assert row['mPC'] is row['rPC'] is None and row['clean'].mean == 0.8
    assert 'a lacks fog 3' in write_report(runs, tmp_path / 'x').read_text()
    part = comparison(runs, partial=True).rows
    assert (
        part['a']['mPC'].mean == pytest.approx(part['b']['mPC'].mean)
        and part['b']['mPC'].mean != runs[1].results['mPC']
    )
    assert 'over the 3 of 4 cells' in write_report(runs, tmp_path / 'y', partial=True).read_text()
    assert numbers(runs)['a']['mPC'] is None and numbers(runs, partial=True)['a']['mPC'] is not None


def test_columns_stand_where_a_run_has_a_value(tmp_path):
    def titles(*runs):
        return [column.title for column in comparison(runs).columns]

    assert titles(run()) == ['AP50 clean', 'mPC', 'rPC']
    assert titles(run(kinds=('fog', 'spatter'))) == ['AP50 clean', 'mPC', 'rPC', 'R_C']
    assert titles(run(mCE=70.0, relative_mCE=90.0), run('b', cost=dict(params=3))) == [
        'parameters',
        'AP50 clean',
        'mPC',
        'rPC',
        'mCE',
        'relative mCE',
    ]
    other = comparison(
        [run(mCE=70.0, levels=(1, 3)), run('b', mCE=60.0, levels=(3,))], partial=True
    )
    assert (
        other.rows['b']['mCE'].mean == 60 and other.rows['dense']['mCE'] is None
    )  # taken over more than is compared


def test_latencies_of_different_devices_are_not_compared(tmp_path):
    runs = [
        run(name, cost=dict(latency=value, timing=dict(device=device)))
        for name, value, device in (('a', 1.0, 'cpu'), ('b', 2.0, 'cuda'))
    ]
    card = comparison(runs)
    assert card.best(card.columns[0]) == set()
    assert 'different devices' in write_report(runs, tmp_path).read_text()


def test_what_was_not_run_is_left_out(work_dirs):
    (work_dirs / 'dense' / 'corrupted' / 'results.json').unlink()
    table = comparison(
        [read_run(work_dirs / 'dense'), read_run(work_dirs / 'adasap-seed0')]
    ).markdown()
    assert '| dense | 100 | 1,000 | **3.2** | - | - | - |' in table


def test_runs_that_differ_are_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(ValueError, match="differ in the data .d1 in 'a'; d2 in 'b'."):
        write_report([run('a'), Run('b', {**results(), 'data': 'd2'})], tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


def test_results_of_older_versions_are_read(tmp_path):
    old = {
        key: value
        for key, value in results().items()
        if key not in ('data', 'clean_per_class', 'versions', 'command')
    }
    old['cells'] = [
        {key: value for key, value in cell.items() if key != 'per_class'} for cell in old['cells']
    ]
    assert 'not recorded, 10 images' in write_report([Run('old', old)], tmp_path).read_text()
