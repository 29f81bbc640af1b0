"""What documentation takes from the code and from results, written before it is built.

`python docs/generate.py` writes the table of tried versions into README.md, and the leaderboard.
"""

import csv
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import MISSING, Field, fields
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # a checkout need not be installed
from mmrobustprune.recipes.build import RECIPES  # noqa: E402
from mmrobustprune.report.leaderboard.page import leaderboard  # noqa: E402
from mmrobustprune.report.leaderboard.result_card import read_cards  # noqa: E402

ROOT = Path(__file__).parent.parent
STACKS = ROOT / 'docs' / 'results' / 'stacks'
CARDS = ROOT / 'docs' / 'results' / 'cards'
BOARD = ROOT / 'docs' / 'leaderboard.md'
TABLE = re.compile(r'(?<=<!-- stacks -->\n).*?(?=<!-- end of stacks -->)', re.S)
PACKAGES = {  # heading of the table -> the distributions that may bring it
    'torch': ('torch',),
    'mmengine': ('mmengine', 'onedl-mmengine'),
    'mmcv': ('mmcv', 'mmcv-lite', 'onedl-mmcv'),
    'mmdet': ('mmdet', 'onedl-mmdetection'),
    'mmpretrain': ('mmpretrain', 'onedl-mmpretrain'),
}
_ARGUMENT = re.compile(r'^    (\w+): (.*)$')


def write_all(folder: Path) -> None:
    """Write recipes.md and tools.md into a folder."""
    folder.mkdir(exist_ok=True)
    (folder / 'recipes.md').write_text(recipes())
    (folder / 'tools.md').write_text(tools())
    (folder / 'stacks.md').write_text(stacks())


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


def stacks() -> str:
    """Every combination that tools/check_stack.sh knows, and each step of those that were run."""
    lines = [
        '# Tried versions',
        '',
        '`bash tools/check_stack.sh NAME` makes an environment with one combination, installs the',
        'package there as pip does, and tries the steps below in miniature. What was not run is',
        'said to be so.',
        '',
        stack_table(),
    ]
    for outcome in _outcomes().values():
        lines += [f'## {outcome["name"]}', '', f'On {outcome["date"]}, {outcome["system"]}.', '']
        lines += ['| step | outcome | seconds |', '| --- | --- | ---: |']
        for one in outcome['steps']:
            outcomes = {True: 'ok', None: 'not run'}
            said = outcomes.get(one['ok'], f'failed: {one["said"]}')
            lines.append(f'| {one["step"]} | {said} | {one["seconds"] or ""} |')
        named = ', '.join(f'{name} {version}' for name, version in outcome['versions'].items())
        lines += ['', f'With {named}.', '']
    return '\n'.join(lines) + '\n'


def stack_table(only_run: bool = False) -> str:
    """A row for each combination: its versions and outcome, or that it was not run."""
    outcomes = _outcomes()
    head = ('stack', 'Python', *PACKAGES, 'outcome')
    lines = [_row(head), _row(['---'] * len(head))]
    with open(ROOT / 'tools' / 'stacks.csv', newline='') as file:
        for asked in csv.DictReader(file):
            outcome = outcomes.get(asked['name'])
            if outcome is None and only_run:
                continue
            if outcome is None:
                absent = [''] * len(PACKAGES)
                lines.append(_row([asked['about'], asked['python'], *absent, 'not run']))
                continue
            found = [_brought(outcome['versions'], names) for names in PACKAGES.values()]
            lines.append(_row([asked['about'], outcome['python'], *found, _said(outcome)]))
    return '\n'.join(lines) + '\n'


def _outcomes() -> dict[str, dict]:
    files = sorted(STACKS.glob('*.json'))
    return {path.stem: json.loads(path.read_text()) for path in files}


def _row(cells: Iterable[str]) -> str:
    return f'| {" | ".join(cells)} |'


def _brought(versions: dict[str, str], names: Iterable[str]) -> str:
    return next((f'{versions[name]} ({name})' for name in names if name in versions), 'none')


def _said(outcome: dict) -> str:
    steps = outcome['steps']
    failed = [one for one in steps if one['ok'] is False]
    well = [one['step'] for one in steps if one['ok']]
    if len(well) == len(steps):
        return f'all {len(steps)} steps, {outcome["date"]}'
    if not failed:
        return f'{len(well)} of {len(steps)} steps run ({", ".join(well)}), {outcome["date"]}'
    return f'{failed[0]["step"]} fails ({failed[0]["said"]}), {outcome["date"]}'


if __name__ == '__main__':
    README = ROOT / 'README.md'
    README.write_text(TABLE.sub(lambda _: stack_table(only_run=True), README.read_text()))
    BOARD.write_text(leaderboard(read_cards(CARDS)))
