import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.tools import run_tool

pytest.importorskip('mmdet')

ROOT = Path(__file__).parents[1]


def _run(*words):
    return subprocess.run(
        [sys.executable, 'tools/quickstart.py', *map(str, words)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
    )


@pytest.fixture
def quickstart():
    spec = importlib.util.spec_from_file_location('quickstart', ROOT / 'tools' / 'quickstart.py')
    module = importlib.util.module_from_spec(spec)
    sys.modules['quickstart'] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules['quickstart']


@pytest.mark.slow
def test_the_whole_quick_start_in_miniature(tmp_path):
    done = _run('--smoke', '--work-dir', tmp_path / 'work')
    assert done.returncode == 0, done.stderr
    assert 'AP50 clean' in done.stdout and '[5/5]' in done.stdout and 'Warning' not in done.stderr
    report = tmp_path / 'work' / 'report'
    names = {file.name for file in report.iterdir()}
    assert names >= {
        'index.html',
        'table.md',
        'table.csv',
        'table.json',
        'task.png',
        'gallery.png',
        'corruptions.png',
        'structure.txt',
    }
    assert done.stdout.index('task.png') < done.stdout.index('[2/5]')
    assert done.stdout.count(' minutes left') == 4 and 'my_two_lines.py' in done.stdout
    table = json.loads((report / 'table.json').read_text())
    dense = table['dense']
    pruned = table['AdaSAP, half']
    assert pruned['params']['mean'] == pytest.approx(dense['params']['mean'] / 2, rel=0.01)
    assert pruned['macs']['mean'] < dense['macs']['mean']
    assert {file.name for file in (tmp_path / 'work' / 'adasap').iterdir()} >= {
        'structure.json',
        'pruned.py',
        'pruned.pth',
    }
    assert '->' in (report / 'structure.txt').read_text()

    again = _run(
        '--smoke', '--work-dir', tmp_path / 'work'
    )  # everything is there: nothing is trained
    assert again.returncode == 0 and len(list((tmp_path / 'work' / 'dense').glob('2*'))) == 1

    other = _run('--work-dir', tmp_path / 'work')
    assert other.returncode == 2 and 'holds a quick start of another plan' in other.stderr


def test_steps_say_how_long_the_others_take(quickstart, tmp_path, monkeypatch, capsys):
    """The first, a quarter of all, took a minute; of the computing in it another process's part."""
    clock = iter([0.0, 0.0, 60.0, 60.0, 60.0, 150.0])
    monkeypatch.setattr('time.monotonic', lambda: next(clock))
    work = iter([(1, 0, 0, 0, 0), (2, 1, 40, 0, 0), (0, 0, 0, 0, 0), (0, 0, 0, 9, 0)])
    monkeypatch.setattr('os.times', lambda: next(work))
    steps = quickstart.Steps((1, 3), tmp_path / 'log')
    with steps('one', 'a command'):
        print('to the log')
    with steps('two'):
        pass
    assert capsys.readouterr().out.splitlines() == [
        '[1/2] one',
        '      $ a command',
        '      60 s, 42 s of one core, about 3.0 minutes left',
        '[2/2] two',
        '      90 s, 9 s of one core',
    ]
    assert (tmp_path / 'log').read_text() == 'to the log\n'


def test_the_commands_at_the_end_are_right(quickstart, monkeypatch, tmp_path, capsys):
    """Each is understood and comes as far as the config, which is not there."""
    monkeypatch.chdir(tmp_path)
    lines = [line for line in quickstart.NEXT.splitlines() if line.startswith('  mmrobustprune')]
    assert len(lines) == 3
    for line in lines:
        name, config, *others = line.split('   ')[0].split()[1:]
        assert run_tool(monkeypatch, name, config, *others) == 2
        said = capsys.readouterr().err.strip().splitlines()[-1]
        assert said.startswith(f"{name}: config '{config}' is not there")


def test_a_detector_below_its_threshold_fails_the_run(quickstart):
    quickstart.check('dense', 0.61, 0.60)
    with pytest.raises(
        ValueError, match=r'the dense detector reaches AP50 0.590 and at least 0.60 was expected'
    ):
        quickstart.check('dense', 0.59, 0.60)
    assert (quickstart.Plan().least_dense, quickstart.Plan().least_pruned) == (0.60, 0.45)
    assert quickstart.SMOKE.least_dense == 0
