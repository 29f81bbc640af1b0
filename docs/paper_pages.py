"""A page per paper: every experiment with its command, its cost and what was measured.

`python docs/paper_pages.py` writes docs/papers/NAME.md from docs/papers/NAME.toml, which says what
the paper prints and which config is that experiment; docs/papers/costs.toml holds MACs and images.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import tomllib

ROOT = Path(__file__).parent.parent
PAPERS = Path(__file__).parent / 'papers'
sys.path.insert(0, str(ROOT))  # a checkout need not be installed

from mmengine.config import Config  # noqa: E402
from mmengine.fileio import load  # noqa: E402

import mmrobustprune.engine  # noqa: E402, F401  knows `mmrobustprune::`
from mmrobustprune.recipes import build_recipe  # noqa: E402
from mmrobustprune.recipes.search import MaskSearch  # noqa: E402

COSTS = 'costs'
HEAD = ('experiment', 'printed', 'config', 'command', 'GPU hours', 'measured here')
WITHOUT_TRAINING = (0, 1, 3, 5)  # columns
NONE = '-'
FEWER = dict(FastAT=(2, 1))  # one gradient to attack by, and only attacked images to learn from


@dataclass(frozen=True)
class Line:
    """One experiment of a paper, as a line of its TOML file says it.

    Attributes:
        at: where it stands in the paper, and which row.
        printed: the paper's numbers.
        config: below configs/, without `.py`; '' where nothing is trained.
        command: where it is another one than the training of the config.
        passes: forward and backward passes over the training images; None reads the config.
        measured: what this project has measured of it.
    """

    at: str
    printed: str = NONE
    config: str = ''
    command: str = ''
    passes: float | None = None
    measured: str = NONE


def write_all(folder: Path = PAPERS) -> list[Path]:
    """Write the page of every paper into a folder; returns their paths."""
    written = []
    # mmengine parses all model indices of a package anew for every base taken from it
    with patch('mmengine.config.utils.load', cache(load)):
        for file in sources():
            path = folder / f'{file.stem}.md'
            path.write_text(page(tomllib.loads(file.read_text())))
            written.append(path)
    return written


def sources() -> list[Path]:
    """The TOML files, one per paper."""
    return sorted(file for file in PAPERS.glob('*.toml') if file.stem != COSTS)


def page(paper: Mapping[str, Any]) -> str:
    """The page of a paper: what holds for all its experiments, then a line for each."""
    rows = [Line(**fields) for fields in paper['lines']]
    cells = [HEAD, ['---'] * len(HEAD), *map(_cells, rows)]
    lines = [f'# {paper["title"]}', '', paper['about'].strip(), '']
    if any(row.config for row in rows):
        lines += [costs()['rule'].strip(), '']
    else:  # nothing is trained
        cells = [[one[place] for place in WITHOUT_TRAINING] for one in cells]
    return '\n'.join([*lines, *map(_row, cells)]) + '\n'


def _cells(line: Line) -> list[str]:
    command = line.command or (command_of(line.config) if line.config else NONE)
    return [
        line.at,
        line.printed,
        f'`{line.config}`' if line.config else NONE,
        f'`{command}`' if command != NONE else NONE,
        _hours(line),
        line.measured,
    ]


def _row(cells) -> str:
    return '| ' + ' | '.join(cell.replace('|', r'\|') for cell in cells) + ' |'


def command_of(config: str) -> str:
    """How a config is trained: on as many GPUs as its name says, `8xb128` on eight."""
    gpus = _gpus(config)
    if gpus == 1:
        return f'python tools/train.py configs/{config}.py'
    return f'bash tools/dist_train.sh configs/{config}.py {gpus}'


def _gpus(config: str) -> int:
    found = re.search(r'_(\d+)xb\d+', config)
    return int(found[1]) if found else 1


@cache
def costs() -> Mapping[str, Any]:
    """The rule of the cost, MACs by network and training images by data set."""
    return tomllib.loads((PAPERS / f'{COSTS}.toml').read_text())


def _hours(line: Line) -> str:
    hours = hours_of(line)
    return NONE if hours is None else f'{hours:.2g}' if hours < 10 else f'{hours:.0f}'


def hours_of(line: Line) -> float | None:
    """GPU hours = passes x images x 6 MACs / rate / 3600; None where nothing is trained.

    A pass is one forward and one backward pass over the training images: a multiply-add is two
    operations, and backward costs two forwards.

    Raises:
        KeyError: a network or data set that costs.toml does not have.
    """
    if not line.config:
        return None
    name = Path(line.config).name
    net = name.partition('_')[0]
    data = name.rpartition('_')[2]
    images = costs()['images'][data]
    known = costs()['macs']
    macs = known.get(f'{net}_{data}', known[net])
    passes = _passes(line.config, images) if line.passes is None else line.passes
    return passes * images * 6 * macs / costs()['rate'] / 3600


@cache
def _passes(config: str, images: int) -> float:
    read = Config.fromfile(ROOT / 'configs' / f'{config}.py')
    return passes_of(read, images / read.train_dataloader.batch_size / _gpus(config))


def passes_of(config: Config, per_epoch: float) -> float:
    """Forward and backward passes over the training images that a config's training takes.

    One per epoch, two where a sharpness rule takes a second gradient; an attack of k steps adds k
    to each step, and a robust loss is a pass over the clean and one over the attacked images.

    Args:
        config: of the training.
        per_epoch: iterations of an epoch.
    """
    epochs = config.train_cfg.max_epochs
    single, again = _of_a_step(config.model.get('robust_loss') or {})
    if 'robust_prune' not in config:
        return epochs * single
    recipe = build_recipe(config.robust_prune)
    rules = {phase.name: phase.rule for phase in recipe.phases()}
    if isinstance(recipe, MaskSearch):
        search = recipe.search_rule() if recipe.gamma else None
        rules = dict(search=search, finetune=recipe.awp_rule())
    total = 0.0
    left = epochs
    for phase in recipe.phases():
        length = left if phase.length is None else _epochs(phase.length, epochs, per_epoch)
        left -= length
        total += length * (single + again if rules.get(phase.name) else single)
    return total


def _of_a_step(loss: Mapping[str, Any]) -> tuple[int, int]:
    """Passes of a training step, and those that a second gradient adds."""
    if 'steps' in loss:
        return loss['steps'] + 2, 2
    return FEWER.get(loss.get('type'), (1, 1))


def _epochs(length: float | str, whole: int, per_epoch: float) -> float:
    if not isinstance(length, str):
        return length * whole
    number, unit = length.split()
    return float(number) / (per_epoch if unit.startswith('iter') else 1)


if __name__ == '__main__':
    for path in write_all():
        print(path.relative_to(ROOT))
