"""Rows in processes of their own: one that dies or hangs stops none of the others."""

import os
import time

from mmrobustprune.engine.coverage import drive, row
from mmrobustprune.engine.coverage.zoo import Case

FIRST = Case('mmpretrain::lenet/lenet5_mnist.py', 32)
SECOND = Case('mmpretrain::lenet/other.py', 64)


def test_a_process_that_dies_is_one_row(tmp_path, monkeypatch):
    def die(trial):
        if trial.case == FIRST:
            os._exit(9)
        return {}

    monkeypatch.setattr(row, 'STEPS', dict(die=die))
    lines = []
    found = drive.run_rows([FIRST, SECOND], lambda case: ['die'], tmp_path, 60, lines.append)
    assert found[0]['steps']['die']['error'] == 'it was not done in 60 s'
    assert 'error' not in found[1]['steps']['die']
    assert lines[0] == f'1/2 {FIRST.config}: die it was not done in 60 s'
    assert drive.run_rows([FIRST], lambda case: [], tmp_path, 60, lines.append) == found[:1]
    assert len(lines) == 2


def test_a_process_that_hangs_is_ended(tmp_path, monkeypatch):
    def hang(case, steps, folder, limit):
        time.sleep(60)

    monkeypatch.setattr(drive, 'run_row', hang)
    start = time.monotonic()
    assert drive.run_in_process(FIRST, ['a'], tmp_path, 0.1)['steps'] == {}
    assert time.monotonic() - start < 20
