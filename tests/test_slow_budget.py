"""The budget of the slow tests, in a test session of its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CASES = """
import time
import pytest

@pytest.mark.slow(seconds=9)
def test_long():
    pass

@pytest.mark.slow
@pytest.mark.parametrize('name', 'abc')
def test_slow(name):
    time.sleep(0.2)

def test_quick():
    pass
"""


@pytest.fixture
def session(tmp_path):
    (tmp_path / 'tests').mkdir()
    (tmp_path / 'tests' / 'test_it.py').write_text(CASES)
    shutil.copy(Path(__file__).with_name('conftest.py'), tmp_path / 'tests')
    (tmp_path / 'pytest.ini').write_text('[pytest]\ntestpaths = tests\nmarkers = slow\n')

    def run(*arguments, home='home'):
        done = subprocess.run(
            [sys.executable, '-m', 'pytest', '-v', *arguments],
            cwd=tmp_path,
            text=True,
            capture_output=True,
            env=dict(os.environ, MMRP_HOME=str(tmp_path / home), PYTHONPATH=str(ROOT)),
        )
        assert done.returncode == 0, done.stdout
        passed = [line.split('[')[1][0] for line in done.stdout.splitlines() if '] PASSED' in line]
        return ''.join(passed), done.stdout

    return run


def test_those_unrun_for_longest_come_first(session):
    ran, output = session('--slow-budget', '0.1')
    assert ran == 'a' and 'slow tests left out this time' in output
    assert 'tests/test_it.py::test_slow[c]' in output.partition('left out this time')[2]
    assert 'passed' in output.splitlines()[-1]
    ran, output = session('--slow-budget', '0.1', home='pytest.ini/home')  # cannot be written
    assert ran == 'a'
    ran, output = session('--slow-budget', '0.3')
    assert ran == 'bc' and 'test_long PASSED' not in output
    ran, output = session('--slow-budget', '9')
    assert ran == 'abc' and 'test_long PASSED' in output  # the first, whatever it takes


def test_chosen_tests_all_run(session):
    for choice in (['tests/test_it.py'], ['-k', 'slow']):
        assert sorted(session('--slow-budget', '0.1', *choice)[0]) == ['a', 'b', 'c']
