import json

import pytest

from mmrobustprune.report.page import Part, write_page
from mmrobustprune.report.runs import read_run
from mmrobustprune.report.summary import comparison, write_report


def _results(clean=.8, fog=.4, severities=(1, 3), metric='pascal_voc/AP50'):
    cells = [dict(corruption=kind, severity=level, **{metric: fog / level, 'pascal_voc/mAP': 0})
             for kind in ('fog', 'snow') for level in severities]
    return dict(P=clean, mPC=fog, rPC=fog / clean, metric=metric, suite='voc-c', images=10, corruptions=['fog', 'snow'],
                severities=list(severities), cells=cells)


def _log(phases=(0, 0, 1, 1, 2, 2)):
    lines = [dict(loss=2 / (i + 1), iter=i + 1, step=i + 1, phase=phase, removed_params=.5 * (phase == 2))
             for i, phase in enumerate(phases)]
    lines.insert(3, {'pascal_voc/AP50': .5, 'step': 1})
    return '\n'.join(map(json.dumps, lines))


@pytest.fixture
def work_dirs(tmp_path):
    for name, clean, params in (('dense', .8, 100), ('adasap-seed0', .7, 50), ('adasap-seed1', .6, 50)):
        folder = tmp_path / name
        (folder / 'corrupted').mkdir(parents=True)
        (folder / 'corrupted' / 'results.json').write_text(json.dumps(_results(clean)))
        (folder / 'cost.json').write_text(json.dumps(dict(params=params, macs=10 * params, latency=3.2)))
        (folder / '2024' / 'vis_data').mkdir(parents=True)
        (folder / '2024' / 'vis_data' / 'scalars.json').write_text(_log())
    return tmp_path


def test_a_run_is_read_from_its_folder(work_dirs):
    run = read_run(work_dirs / 'adasap-seed1')
    assert (run.name, run.metric) == ('adasap', 'AP50')
    assert run.record() == dict(name='adasap', params=50, macs=500, latency=3.2, clean=.6, mPC=.4, rPC=.4 / .6)
    assert run.cells() == {1: dict(fog=.4, snow=.4), 3: dict(fog=.4 / 3, snow=.4 / 3)}
    assert run.log.loss[0] == (1, 2.) and run.log.metric == [(3, .5)] and run.log.share[-1] == (6, .5)
    assert run.log.phases == [('adaptive warm-up', 0, 2), ('pruning', 2, 4), ('fine-tuning', 4, 6)]


def test_a_resumed_run_replaces_the_lines_it_repeats(work_dirs):
    later = work_dirs / 'dense' / '2025' / 'vis_data'
    later.mkdir(parents=True)
    (later / 'scalars.json').write_text(json.dumps(dict(loss=9., iter=6, step=6)))
    log = read_run(work_dirs / 'dense').log
    assert log.loss[-1] == (6, 9.) and len(log.loss) == 6


def test_folders_that_are_no_run_or_two_are_refused(work_dirs, tmp_path):
    (tmp_path / 'empty').mkdir()
    with pytest.raises(FileNotFoundError, match='holds no results.json'):
        read_run(tmp_path / 'empty')
    (work_dirs / 'dense' / 'again').mkdir()
    (work_dirs / 'dense' / 'again' / 'results.json').write_text('{}')
    with pytest.raises(ValueError, match='holds 2 files results.json'):
        read_run(work_dirs / 'dense')


def test_the_report_holds_tables_pictures_and_a_page(work_dirs, tmp_path):
    runs = [read_run(work_dirs / name, title) for name, title in (
        ('dense', ''), ('adasap-seed0', ''), ('adasap-seed1', ''))]
    page = write_report(runs, tmp_path / 'report', 'A <comparison>', [Part('Tree', text='a < b')], foot='made here')
    names = {file.name for file in page.parent.iterdir()}
    assert names == {'index.html', 'table.md', 'table.csv', 'table.json', 'corruptions.png', 'severity.png',
                     'training_0.png', 'training_1.png'}
    text = page.read_text()
    assert 'A &lt;comparison&gt;' in text and 'a &lt; b' in text and '0.650 ± 0.071' in text and '<b>0.800</b>' in text
    assert all(f'src="{name}"' in text for name in names if name.endswith('.png'))
    assert json.loads((page.parent / 'table.json').read_text())['adasap']['clean']['runs'] == 2


def test_what_was_not_run_is_left_out(work_dirs):
    (work_dirs / 'dense' / 'corrupted' / 'results.json').unlink()
    table = comparison([read_run(work_dirs / 'dense'), read_run(work_dirs / 'adasap-seed0')]).markdown()
    assert '| dense | 100 | 1,000 | **3.2** | - | - | - |' in table


def test_runs_of_different_metrics_are_refused(work_dirs):
    other = work_dirs / 'adasap-seed0' / 'corrupted' / 'results.json'
    other.write_text(json.dumps(_results(metric='accuracy/top1')))
    with pytest.raises(ValueError, match='AP50 and top1; compare runs of one metric'):
        comparison([read_run(work_dirs / 'dense'), read_run(work_dirs / 'adasap-seed0')])


def test_a_page_escapes_what_it_shows(tmp_path):
    text = write_page(tmp_path / 'p.html', 't', [Part('<i>', '<u>', picture='a"b.png')]).read_text()
    assert '<i>' not in text and '<u>' not in text and 'a&quot;b.png' in text
