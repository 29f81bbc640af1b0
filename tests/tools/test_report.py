import json
import runpy
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / 'tools' / 'report.py'


def _run(monkeypatch, *words):
    monkeypatch.setattr(sys, 'argv', [str(TOOL), *map(str, words)])
    runpy.run_path(str(TOOL), run_name='__main__')


def test_runs_are_compared_in_a_folder(tmp_path, monkeypatch, capsys):
    for name, params in (('dense', 100), ('pruned-seed0', 50), ('pruned-seed1', 52)):
        (tmp_path / name).mkdir()
        (tmp_path / name / 'cost.json').write_text(json.dumps(dict(params=params)))
    _run(monkeypatch, tmp_path / 'dense', tmp_path / 'pruned-seed0', tmp_path / 'pruned-seed1', '--out', tmp_path / 'out')
    assert '51 ± 1' in capsys.readouterr().out
    assert '51 ± 1' in (tmp_path / 'out' / 'table.md').read_text()


def test_a_folder_that_is_no_run_ends_with_a_sentence(tmp_path, monkeypatch, capsys):
    with pytest.raises(SystemExit) as stop:
        _run(monkeypatch, tmp_path, '--out', tmp_path / 'out')
    assert stop.value.code == 2 and 'holds no results.json' in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()
