import json
import runpy
import sys
from pathlib import Path

import pytest

from tests.report.records import results

TOOL = Path(__file__).parents[2] / 'tools' / 'report.py'


def _run(monkeypatch, *words):
    monkeypatch.setattr(sys, 'argv', [str(TOOL), *map(str, words)])
    runpy.run_path(str(TOOL), run_name='__main__')


def test_runs_are_compared_in_a_folder(tmp_path, monkeypatch, capsys):
    for name, params in (('dense', 100), ('pruned-seed0', 50), ('pruned-seed1', 52)):
        (tmp_path / name).mkdir()
        (tmp_path / name / 'cost.json').write_text(json.dumps(dict(params=params)))
    _run(
        monkeypatch,
        tmp_path / 'dense',
        tmp_path / 'pruned-seed0',
        tmp_path / 'pruned-seed1',
        '--out',
        tmp_path / 'out',
    )
    assert '51 ± 1' in capsys.readouterr().out
    assert '51 ± 1' in (tmp_path / 'out' / 'table.md').read_text()


def test_a_folder_that_is_no_run_ends_with_a_sentence(tmp_path, monkeypatch, capsys):
    with pytest.raises(SystemExit) as stop:
        _run(monkeypatch, tmp_path, '--out', tmp_path / 'out')
    assert stop.value.code == 2 and 'holds no results.json' in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


def _write(folder, **changes):
    folder.mkdir()
    (folder / 'results.json').write_text(json.dumps(results(**changes)))
    return folder


def test_the_gate_writes_the_report_then_ends_with_three(tmp_path, monkeypatch, capsys):
    runs = _write(tmp_path / 'a'), _write(tmp_path / 'b', slope=0.2)
    _run(
        monkeypatch,
        *runs,
        '--out',
        tmp_path / 'ok',
        '--fail-under',
        'mPC=0.1',
        '--fail-under',
        'fog=.1',
        'fog-3=0.1',
    )
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        _run(monkeypatch, *runs, '--out', tmp_path / 'out', '--fail-under', 'fog-3=0.3', 'P=.9')
    lines = capsys.readouterr().err.splitlines()
    assert stop.value.code == 3 and (tmp_path / 'out' / 'index.html').is_file()
    assert lines == [
        'a: P is 0.8, below 0.9',
        'b: fog-3 is 0.155, below 0.3',
        'b: P is 0.8, below 0.9',
    ]


@pytest.mark.parametrize(
    'words, sentence',
    [
        (['--fail-under', 'mpc=0.5'], "there is no 'mpc' to bound (did you mean 'mPC'?)"),
        (['--fail-under', 'mPC'], "the bound 'mPC' cannot be read"),
        (['--fail-over', 'latency=70'], "has no 'latency'"),
        (['--reference', 'c'], "no run is called 'c'"),
    ],
)
def test_what_cannot_be_told_is_an_error_of_one_sentence(
    tmp_path, monkeypatch, capsys, words, sentence
):
    with pytest.raises(SystemExit) as stop:
        _run(monkeypatch, _write(tmp_path / 'a'), '--out', tmp_path / 'out', *words)
    error = capsys.readouterr().err.strip()
    assert stop.value.code == 2 and sentence in error and len(error.splitlines()) == 1
    assert not (tmp_path / 'out').exists()


def test_other_data_is_refused_and_partial_tables_are_allowed(tmp_path, monkeypatch, capsys):
    a = _write(tmp_path / 'a')
    b = _write(tmp_path / 'b', drop=[('fog', 3)])
    _run(monkeypatch, a, f'ours={b}', '--out', tmp_path / 'out', '--partial', '--reference', 'ours')
    assert 'ours' in capsys.readouterr().out
    assert 'over the 3 of 4 cells' in (tmp_path / 'out' / 'table.md').read_text()
    (b / 'results.json').write_text(json.dumps({**results(), 'seed': 1}))
    with pytest.raises(SystemExit) as stop:
        _run(monkeypatch, a, b, '--out', tmp_path / 'out')
    assert (
        stop.value.code == 2
        and "the seed of the corruptions (0 in 'a'; 1 in 'b')" in capsys.readouterr().err
    )


def test_a_table_of_a_paper_is_printed_and_written(tmp_path, monkeypatch, capsys):
    folder = _write(tmp_path / 'dense-seed0', levels=(1, 2, 3, 4, 5))
    (folder / 'ssd512_r50_voc0712.py').write_text('train_cfg = dict(max_epochs=24)\n')
    _run(monkeypatch, '--table', 'adasap-detectors', folder, '--out', tmp_path / 'out')
    assert '80.00' in capsys.readouterr().out
    text = (tmp_path / 'out' / 'adasap-detectors.md').read_text()
    assert (
        '| dense | 0 | 1.00 | 1.00 | 80.00 |' in text
        and '| AdaSAP_L | - | - | - | - | - | - |' in text
    )
    assert (tmp_path / 'out' / 'adasap-detectors.csv').exists()


def test_the_tables_are_listed_with_their_titles(monkeypatch, capsys):
    _run(monkeypatch, '--table', 'list')
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 46 and 's2ap-1               S2AP, Table 1: CIFAR-10' in lines


def test_a_table_without_a_folder_or_of_no_name_is_refused(monkeypatch, capsys, tmp_path):
    for words, said in (
        (('--table', 's2ap-1'), '--out is not given'),
        (('--table', 's2ap', '--out', tmp_path / 'out'), "no table is called 's2ap'"),
    ):
        with pytest.raises(SystemExit) as stop:
            _run(monkeypatch, *words)
        assert stop.value.code == 2 and said in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


def test_a_table_of_a_paper_with_rows_that_are_cited(tmp_path, monkeypatch, capsys):
    (tmp_path / 'rows.csv').write_text('method,kept,Val\nEagleEye,0.40,74.2\n')
    words = ['--table', 'adasap-11', '--cite', tmp_path / 'rows.csv', '--out', tmp_path / 'out']
    _run(monkeypatch, *words)
    assert '| EagleEye | 0.40 | - | 74.20 |' in (tmp_path / 'out' / 'adasap-11.md').read_text()
    assert 'Cited, not measured here: EagleEye, 0.40.' in capsys.readouterr().out
