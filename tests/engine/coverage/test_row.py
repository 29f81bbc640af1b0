"""Rows: what is recorded of steps that succeed, are refused, crash or take too long."""

import time

import pytest

from mmrobustprune.engine.coverage import row
from mmrobustprune.engine.coverage.zoo import Case

CASE = Case('mmpretrain::lenet/lenet5_mnist.py', 32)


def refuse(trial):
    raise ValueError('it cannot be.\nmore')


def crash(trial):
    raise RuntimeError


def wait(trial):
    while time.process_time() < 1e9:
        pass


def note(trial):
    return dict(seen=trial.case.size)


@pytest.fixture
def steps(monkeypatch):
    steps = dict(note=note, refuse=refuse, crash=crash, wait=wait)
    monkeypatch.setattr(row, 'STEPS', steps)
    return list(steps)


def test_each_outcome_is_recorded(tmp_path, steps):
    found = row.run_row(CASE, steps, tmp_path, 0.3)
    assert found == row.read_record(tmp_path, CASE)
    told = found['steps']
    assert told['note']['seen'] == 32 and 'error' not in told['note']
    assert told['refuse']['error'] == 'ValueError: it cannot be.'
    assert [told[step].get('kind') for step in steps] == [None, 'refused', 'crash', 'time']
    assert told['crash']['error'] == 'RuntimeError: no message'
    assert told['wait']['error'] == 'it was not done in 0 s' and told['wait']['seconds'] < 2
    assert found['versions']['mmengine'] and found['config'] == CASE.config


def test_finished_steps_are_not_tried_again(tmp_path, steps):
    nothing = row.read_record(tmp_path, CASE)
    assert nothing['steps'] == {} and row.open_steps(nothing, steps) == steps
    found = row.run_row(CASE, ['note', 'refuse'], tmp_path, 5)
    assert row.open_steps(found, steps) == ['crash', 'wait']
    assert row.open_steps(found, steps, failed=True) == ['refuse', 'crash', 'wait']
