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


def test_a_tool_runs_where_it_is_called(tmp_path):
    done = call('report', 'nowhere', '--out', 'page', cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith('report: ') and 'nowhere' in done.stderr
