"""Calling the command lines as a user does."""

import runpy
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run_tool(monkeypatch, name, *words):
    """The exit code of `tools/<name>.py` in this process."""
    path = str(ROOT / 'tools' / f'{name}.py')
    monkeypatch.setattr(sys, 'argv', [path, *map(str, words)])
    try:
        runpy.run_path(path, run_name='__main__')
    except SystemExit as end:
        return end.code or 0
    return 0
