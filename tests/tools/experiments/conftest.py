"""The parts of tools/experiments/run_arms.py, which stand beside it."""

import sys
from pathlib import Path

import pytest

EXPERIMENTS = Path(__file__).parents[3] / 'tools' / 'experiments'


@pytest.fixture(autouse=True)
def beside(monkeypatch):
    monkeypatch.syspath_prepend(str(EXPERIMENTS))
    yield
    for name in ('arms', 'records', 'run_arms'):
        sys.modules.pop(name, None)
