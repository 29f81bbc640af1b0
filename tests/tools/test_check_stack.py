"""Combinations of versions: which there are, what is said, what is done once."""

import csv
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def check(*arguments, **environment):
    return subprocess.run(
        ['bash', ROOT / 'tools' / 'check_stack.sh', *arguments],
        capture_output=True,
        text=True,
        env=dict(os.environ, **environment),
    )


@pytest.fixture
def stack(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    path = ROOT / 'tools' / 'steps' / 'stack.py'
    spec = importlib.util.spec_from_file_location('stack', path)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, 'stack', module)
    spec.loader.exec_module(module)
    return module


def test_an_unknown_stack_gets_the_names():
    done = check('onedll')
    assert done.returncode == 1
    with open(ROOT / 'tools' / 'stacks.csv', newline='') as file:
        names = [row['name'] for row in csv.DictReader(file)]
    assert done.stderr == (
        f"check_stack: there is no stack 'onedll'; give one of {' '.join(names)}.\n"
    )


def test_a_step_is_done_once_and_a_failure_is_its_last_word(stack, tmp_path, monkeypatch):
    say = "import sys; open('count', 'a').write('x'); sys.exit('no such thing')"
    steps = (
        stack.Step('good', [stack.code("open('good', 'a').write('x')")]),
        stack.Step('bad', [stack.code(say), stack.code("open('never', 'w')")]),
    )
    monkeypatch.setattr(stack, 'STEPS', steps)
    for _ in range(2):
        assert stack.main('mine', 'source-1', str(tmp_path)) == 1
    assert Path('good').read_text() == 'x' and Path('count').read_text() == 'xx'
    assert not Path('never').exists()
    found = json.loads((tmp_path / 'docs' / 'results' / 'stacks' / 'mine.json').read_text())
    assert [(one['step'], one['ok'], one['said']) for one in found['steps']] == [
        ('good', True, ''),
        ('bad', False, 'no such thing'),
    ]
    assert found['versions']['torch'] and found['python'] and found['date']
    stack.main('mine', 'source-2', str(tmp_path))  # another package: all anew
    assert Path('good').read_text() == 'xx'
