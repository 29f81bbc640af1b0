"""The tools as commands of an installed package."""

import subprocess
import sys
from pathlib import Path

import pytest

from mmrobustprune.console import TOOLS, commands

ROOT = Path(__file__).parent.parent


def call(*arguments, cwd=ROOT):
    return subprocess.run(
        [sys.executable, '-m', 'mmrobustprune.console', *arguments],
        cwd=cwd,
        env={'PYTHONPATH': str(ROOT), 'PATH': '/usr/bin:/bin', 'HOME': str(Path.home())},
        capture_output=True,
        text=True,
    )


def test_every_tool_is_a_command():
    contract = {'train', 'test', 'prune', 'robustness', 'attack', 'analyze', 'export', 'report'}
    known = commands()
    assert contract | {'latency', 'doctor'} <= known.keys()
    assert (
        known['test'] == 'Evaluate a checkpoint of an mmdet or mmpretrain config, dense or pruned.'
    )
    assert TOOLS.samefile(ROOT / 'tools')


def test_without_a_command_all_are_listed():
    done = call()
    assert done.returncode == 0
    assert all(f'  {name} ' in done.stdout for name in commands())


def test_a_misspelt_command_gets_the_nearest():
    done = call('robustnes')
    assert done.returncode == 2
    assert done.stderr.startswith(
        "mmrobustprune: there is no command 'robustnes' (nearest: 'robustness'); give one of "
    )


@pytest.mark.parametrize(
    ('command', 'usage'), [('prune', 'usage: prune.py'), ('latency', 'usage: analyze.py latency')]
)
def test_a_command_is_the_tool(command, usage):
    done = call(command, '--help')
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(usage)


def test_activate_brings_this_checkout_into_a_shell(tmp_path):
    """From another folder, and in the programs that the shell starts."""
    say = 'import mmrobustprune; print(mmrobustprune.__file__)'
    code = f"source '{ROOT}/tools/activate'; mmrobustprune report --help; python -c '{say}'"
    env = {'PATH': '/usr/bin:/bin', 'HOME': str(tmp_path)}
    done = subprocess.run(
        ['bash', '-euc', code], cwd=tmp_path, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    first, *_, last = done.stdout.splitlines()
    assert first.startswith('usage: report.py')
    assert last == str(ROOT / 'mmrobustprune' / '__init__.py')


def test_a_tool_runs_where_it_is_called(tmp_path):
    done = call('report', 'nowhere', '--out', 'page', cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith('report: ') and 'nowhere' in done.stderr
