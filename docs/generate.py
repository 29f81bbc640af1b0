"""The reference of recipes and tools, written from the code before the documentation is built."""

import os
import re
import subprocess
import sys
from dataclasses import MISSING, Field, fields
from pathlib import Path

from mmrobustprune.recipes.build import RECIPES

ROOT = Path(__file__).parent.parent
_ARGUMENT = re.compile(r'^    (\w+): (.*)$')


def write_all(folder: Path) -> None:
    """Write recipes.md and tools.md into a folder."""
    folder.mkdir(exist_ok=True)
    (folder / 'recipes.md').write_text(recipes())
    (folder / 'tools.md').write_text(tools())


def recipes() -> str:
    """A section per recipe, with every field, its default and what it means."""
    lines = [
        '# Recipes',
        '',
        "What `robust_prune = dict(recipe='NAME', target=..., ...)` may say. Lengths of phases are",
        "a fraction of the schedule, `'3 epochs'` or `'300 iters'`.",
    ]
    for name, cls in RECIPES.items():
        said = _arguments(cls)
        lines += ['', f'## {name}', '', cls.__doc__.strip().splitlines()[0], '']
        lines += ['| field | default | meaning |', '| --- | --- | --- |']
        for one in filter(lambda one: one.init, fields(cls)):
            meaning = said.get(one.name, '').replace('|', '\\|')
            lines.append(f'| `{one.name}` | {_default(one)} | {meaning} |')
    return '\n'.join(lines) + '\n'


def _arguments(cls: type) -> dict[str, str]:
    """Field -> its description, those of base classes included."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        name = None
        for line in (base.__doc__ or '').expandtabs().splitlines():
            start = _ARGUMENT.match(line[4:])
            if start:
                name = start[1]
                found[name] = start[2]
            elif name and line.startswith(' ' * 12):
                found[name] += ' ' + line.strip()
            else:
                name = None
    return found


def _default(one: Field) -> str:
    if one.default is not MISSING:
        value = one.default
    elif one.default_factory is not MISSING:
        value = one.default_factory()
    else:
        return 'needed'
    return f'`{value:.4g}`' if isinstance(value, float) else f'`{value!r}`'


def tools() -> str:
    """The help of every command line."""
    lines = [
        '# Tools',
        '',
        'From a checkout `python tools/NAME.py`; installed, `mmrobustprune NAME`.',
    ]
    for path in sorted((ROOT / 'tools').glob('*.py')):
        if path.stem != 'quickstart':
            lines += ['', f'## {path.stem}', '', '```text', _help(path), '```']
    return '\n'.join(lines) + '\n'


def _help(path: Path) -> str:
    environment = dict(os.environ, PYTHONPATH=str(ROOT), COLUMNS='100')
    command = [sys.executable, str(path), '--help']
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True
    ).stdout.strip()
