"""The parts of tools/experiments/, which stand beside each other."""

from pathlib import Path

import pytest

EXPERIMENTS = Path(__file__).parents[3] / 'tools' / 'experiments'


@pytest.fixture(autouse=True)
def beside(monkeypatch):
    monkeypatch.syspath_prepend(str(EXPERIMENTS))
