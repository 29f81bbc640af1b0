"""The tools that a comparison calls, each in a process of its own."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Protocol

import mmrobustprune

TOOLS = Path(mmrobustprune.__file__).parent / '.mim' / 'tools'


class Tools(Protocol):
    """Anything that runs a tool."""

    def __call__(self, tool: str, *words: object) -> str: ...


def call_tool(tool: str, *words: object) -> str:
    """Run a tool of this package, with its output on this terminal.

    Returns:
        The command as typed.
    Raises:
        ValueError: it failed.
    """
    script = (TOOLS / f'{tool}.py').resolve()
    here = Path(os.path.relpath(script))
    line = shlex.join(['python', str(here), *map(str, words)])
    print('$', line, flush=True)
    done = subprocess.run([sys.executable, str(script), *map(str, words)])
    if done.returncode:
        raise ValueError(
            f'{line} ended with exit code {done.returncode}; mend the cause and run this again.'
        )
    return line
