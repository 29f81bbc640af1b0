import json
import re

import pytest

from mmrobustprune.report.page import Part
from mmrobustprune.report.runs import Run, read_run, read_runs
from mmrobustprune.report.summary import comparison, numbers, write_report
from tests.report.records import results, run


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
        'sample standard deviation over the runs of one name (adasap: 2); '
        'figures show the first of them' in text
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


def test_one_run_is_reported_too(tmp_path):
    out = write_report([run('only')], tmp_path).parent
    assert {file.suffix for file in out.iterdir()} >= {'.png', '.html'}
    assert not (out / 'scatter.png').exists() and not (out / 'margin_0.png').exists()
    with pytest.raises(ValueError, match='no run was given'):
        write_report([], tmp_path)


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
    for cell in old['cells']:
        del cell['per_class']
    assert 'not recorded, 10 images' in write_report([Run('old', old)], tmp_path).read_text()
