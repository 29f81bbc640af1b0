"""What documentation takes from the code and from results, written before it is built.

`python docs/generate.py` writes the table of tried versions into README.md, and the leaderboard.
"""

import csv
import io
import json
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Iterable
from contextlib import redirect_stdout
from pathlib import Path
from unittest.mock import patch

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]
from field_tables import components, recipes, types  # noqa: E402

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
ARGUMENTS = re.compile(r'^(positional arguments|options):', re.M)
EXIT_CODES = """\
Every tool ends with exit code 0 where all went well, 2 where the input is wrong (one sentence says
what was given, what is allowed and what to do next), 3 where a number is beyond the bound of
`--fail-under` or `--fail-over`, and 1 where a check of `coverage` or the code itself failed.
"""


def write_all(folder: Path) -> None:
    """Write the pages that are made from the code into a folder."""
    folder.mkdir(exist_ok=True)
    for page in (recipes, types, components, tools, stacks):
        (folder / f'{page.__name__}.md').write_text(page())


def tools() -> str:
    """The help of every command line."""
    lines = [
        '# Tools',
        '',
        'From a checkout `python tools/NAME.py`; installed, `mmrobustprune NAME`.',
        '',
        EXIT_CODES,
    ]
    for path in sorted((ROOT / 'tools').glob('*.py')):
        if path.stem != 'quickstart':
            lines += [f'## {path.stem}', '', *_text(_help(path))]
            for kind in runpy.run_path(str(path)).get('KINDS', ()):
                lines += [f'### {path.stem} {kind}', '', *_text(_options(path, kind))]
    lines += ['## Scripts', '', 'From a checkout alone.', '']
    for path in sorted((ROOT / 'tools').glob('*.sh')):
        lines += [f'### {path.stem}', '', *_text(_script(path))]
    lines += ['## Experiments', '', 'What repeats the experiments of these pages.', '']
    for path in sorted((ROOT / 'tools' / 'experiments').glob('*.py')):
        if 'cli.run(main' in path.read_text():
            lines += [f'### {path.stem}', '', *_text(_help(path))]
    lines += ['## Benchmarks', '', '`python benchmarks/NAME.py --help` says more of each.', '']
    lines += ['| name | measures |', '| --- | --- |']
    for path in sorted((ROOT / 'benchmarks').glob('*.py')):
        if '__main__' in path.read_text():
            lines.append(_row([f'`{path.stem}`', path.read_text().split('"""')[1].split('\n')[0]]))
    return '\n'.join(lines) + '\n'


def _text(text: str) -> list[str]:
    return ['```text', text, '```', '']


def _options(path: Path, kind: str) -> str:
    """The help of one kind, without the description that all kinds of a tool share."""
    text = _help(path, kind)
    usage = text.partition('\n\n')[0]
    return '\n\n'.join((usage, text[ARGUMENTS.search(text).start() :]))


def _script(path: Path) -> str:
    command = ['bash', str(path), '--help']
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _help(path: Path, *words: str) -> str:
    """What a tool prints for --help; it runs in this process, so libraries are loaded once."""
    said = io.StringIO()
    with (
        patch.object(sys, 'argv', [path.name, *words, '--help']),
        patch.object(sys, 'path', [str(path.parent), *sys.path]),
        patch.dict(os.environ, COLUMNS='100'),
        redirect_stdout(said),
    ):
        try:
            runpy.run_path(str(path), run_name='__main__')
        except SystemExit as end:
            if end.code:
                raise RuntimeError(f'{path} --help ends with {end.code}') from end
    return said.getvalue().strip()


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
