"""tools/coverage.py, and the recorded rows: none may get worse."""

import json
from pathlib import Path

import pytest

from mmrobustprune.engine.coverage.zoo import read_cases
from tests.support.tools import run_tool

ROOT = Path(__file__).parents[2]
RECORDS = ROOT / 'docs/results/coverage'
RECORDED = [
    case for case in read_cases(ROOT / 'tools/zoo.csv') if (RECORDS / f'{case.name}.json').is_file()
]


def test_a_table_goes_on_and_is_checked(tmp_path, monkeypatch, capsys):
    zoo = tmp_path / 'zoo.csv'
    zoo.write_text('config,size,kind\nmmpretrain::lenet/lenet5_mnist.py,32,cnn\n')
    words = ('--zoo', zoo, '--records', tmp_path / 'records', '--page', tmp_path / 'page.md')
    assert run_tool(monkeypatch, 'coverage', *words, '--steps', 'trace,prune') == 0
    page = (tmp_path / 'page.md').read_text()
    printed = capsys.readouterr().out
    assert '1/1 mmpretrain::lenet/lenet5_mnist.py: trace' in printed and page in printed
    assert run_tool(monkeypatch, 'coverage', *words, '--steps', 'trace,prune') == 0
    assert '1/1' not in capsys.readouterr().out
    assert run_tool(monkeypatch, 'coverage', *words, '--steps', 'trace', '--check') == 0
    assert 'none got worse' in capsys.readouterr().out
    file = next((tmp_path / 'records').iterdir())
    record = json.loads(file.read_text())
    record['steps']['trace']['params'] = 1.5
    file.write_text(json.dumps(record))
    assert run_tool(monkeypatch, 'coverage', *words, '--steps', 'trace', '--check') == 1
    assert 'prunable params fell from 1.5' in capsys.readouterr().out


@pytest.mark.parametrize('wrong', [('--part', '3/3'), ('--steps', 'prun'), ('--only', 'nothing')])
def test_wrong_words_are_refused(monkeypatch, capsys, wrong):
    assert run_tool(monkeypatch, 'coverage', *wrong) == 2
    assert capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize('case', RECORDED, ids=lambda case: case.name)
def test_no_row_gets_worse(monkeypatch, capsys, case):
    """The slow tests take turns, so that all rows are tried again in time."""
    words = ('--only', case.config.partition('::')[2], '--steps', 'trace,prune', '--check')
    assert run_tool(monkeypatch, 'coverage', *words) == 0, capsys.readouterr().out
