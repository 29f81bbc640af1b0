"""The budget of the slow tests, in a test session of its own."""

import shutil
from pathlib import Path

import pytest

pytest_plugins = ['pytester']  # a session inside this one: torch and OpenMMLab are there
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
def session(pytester, monkeypatch):
    (pytester.path / 'tests').mkdir()
    (pytester.path / 'tests' / 'test_it.py').write_text(CASES)
    shutil.copy(Path(__file__).with_name('conftest.py'), pytester.path / 'tests')
    (pytester.path / 'pytest.ini').write_text('[pytest]\ntestpaths = tests\nmarkers = slow\n')

    def run(*arguments, home='home'):
        monkeypatch.setenv('MMRP_HOME', str(pytester.path / home))
        done = pytester.runpytest_inprocess('-v', '-p', 'no:timeout', *arguments)
        assert done.ret == 0
        passed = [line.split('[')[1][0] for line in done.outlines if '] PASSED' in line]
        return ''.join(passed), done.stdout.str()

    return run


def test_those_unrun_for_longest_come_first(session):
    ran, output = session('--slow-budget', '0.1')
    assert ran == 'a' and 'slow tests left out this time' in output
    assert 'tests/test_it.py::test_slow[c]' in output.partition('left out this time')[2]
    assert 'passed' in output.splitlines()[-1]
    ran, output = session('--slow-budget', '0.1', home='pytest.ini/home')  # cannot be written
    assert ran == 'a'
    ran, output = session('--slow-budget', '8')
    assert ran == 'bca' and 'test_long PASSED' not in output
    ran, output = session('--slow-budget', '9')
    assert ran == 'bca' and 'test_long PASSED' in output  # the first, whatever it takes


def test_chosen_tests_all_run(session):
    for choice in (['tests/test_it.py'], ['-k', 'slow']):
        assert sorted(session('--slow-budget', '0.1', *choice)[0]) == ['a', 'b', 'c']
