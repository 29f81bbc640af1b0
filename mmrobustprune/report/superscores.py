"""Superscores of swept checkpoints: tables, bars, ranks over networks (SR-GKP, NeurIPS 2023)."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from .figures.rank_chart import draw_rank_chart
from .figures.superscore_bars import superscore_bars
from .paper.numbers import attacked
from .runs import REPEAT, split_name
from .tables.cards import Card, Column
from .tables.ranks import RankChart, rank_chart
from .tables.superscore import Checkpoint, best_rows, markdown, superscore, values

SWEEP = 'sweep.json'
CLOSE = 1.01  # MACs up to here of the least are the same size


@dataclass(frozen=True)
class SweptRun:
    """The checkpoints of one training that have their final size.

    Attributes:
        network, method: which bar they are.
        checkpoints: with every metric in per cent.
        macs: of the final size, counted plainly.
        left: checkpoints that were larger and so are not among them.
        under: what the numbers depend on.
    """

    network: str
    method: str
    checkpoints: tuple[Checkpoint, ...]
    macs: int
    left: int
    under: frozenset[str]


def read_sweep(word: str | Path) -> SweptRun:
    """A folder of `tools/attack.py CONFIG CHECKPOINT...`, or METHOD=FOLDER.

    Raises:
        FileNotFoundError: it holds no sweep.json.
    """
    name, folder = split_name(word)
    file = folder / SWEEP
    if not file.is_file():
        raise FileNotFoundError(
            f'{file} is not there; give the work dir of tools/attack.py with several checkpoints.'
        )
    found = json.loads(file.read_text(encoding='utf-8'))
    network = Path(found['config']).stem.partition('_')[0]
    method = name or REPEAT.sub('', folder.resolve().name)
    rows = found['checkpoints']
    sizes = [row['test']['cost']['plain']['macs'] for row in rows]
    final = [row for row, size in zip(rows, sizes, strict=True) if size <= CLOSE * min(sizes)]
    under: set[str] = set()
    checkpoints = []
    for row in final:
        sides = {split: _metrics(row[split], under) for split in ('test', 'val') if split in row}
        checkpoints.append(Checkpoint(method, row['epoch'], **sides))
    left = len(rows) - len(final)
    return SweptRun(network, method, tuple(checkpoints), min(sizes), left, frozenset(under))


def write_superscores(
    words: Sequence[str | Path], out: str | Path, exclude: Collection[str] = ()
) -> Path:
    """Write superscores.md, superscores.json and the figures into a folder.

    Args:
        words: sweeps as `read_sweep` takes them, of one or several networks.
        out: the folder.
        exclude: methods that are not ranked.
    Returns:
        superscores.md
    Raises:
        FileNotFoundError, ValueError: no sweep, one method twice, or numbers taken differently.
    """
    runs = [read_sweep(word) for word in words]
    networks: dict[str, list[SweptRun]] = {}
    for run in runs:
        networks.setdefault(run.network, []).append(run)
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    parts = []
    data: dict[str, Any] = {}
    scores = {}
    for network, own in networks.items():
        _refuse_mixed(network, own)
        checkpoints = list(chain.from_iterable(run.checkpoints for run in own))
        picks = superscore(checkpoints)
        scores[network] = values(picks)
        data[network] = dict(
            checkpoints=[asdict(one) for one in checkpoints], superscore=scores[network]
        )
        parts += [f'# {network}', markdown(checkpoints), _best_card(checkpoints), *_said(own)]
        superscore_bars(out / f'{network}.png', checkpoints)
        if all(one.val for one in checkpoints):
            superscore_bars(out / f'{network}-held-out.png', checkpoints, 'val')
    chart = rank_chart(scores, exclude)
    draw_rank_chart(out / 'ranks.png', chart)
    data['ranks'] = dict(per_net=chart.per_net, overall=chart.overall)
    parts += ['# Ranks', _chart_text(chart, exclude)]
    (out / 'superscores.json').write_text(json.dumps(data, indent=1), encoding='utf-8')
    path = out / 'superscores.md'
    path.write_text('\n\n'.join(part.strip() for part in parts) + '\n', encoding='utf-8')
    return path


def _metrics(side: Mapping[str, Any], under: set[str]) -> dict[str, float]:
    """Accuracy of every attack and without, in per cent."""
    found = {'benign': 100 * side['clean']}
    for name, number in attacked(dict(attacks=side['attacks'])):
        found[name] = number.value
        under.add(number.under or '')
    return found


def _refuse_mixed(network: str, runs: Sequence[SweptRun]) -> None:
    first = runs[0]
    for run in runs[1:]:
        if run.under != first.under:
            differ = sorted(run.under ^ first.under)
            raise ValueError(
                f'{first.method} and {run.method} of {network} were attacked differently '
                f'({"; ".join(differ)}); sweep them alike.'
            )
    methods = [run.method for run in runs]
    for method in methods:
        if methods.count(method) > 1:
            raise ValueError(
                f'{method} of {network} is given twice; name the runs, as NAME=WORK_DIR.'
            )


def _best_card(checkpoints: Sequence[Checkpoint]) -> str:
    """Every checkpoint that is best in something, whole."""
    rows = []
    for method, picks in superscore(checkpoints).items():
        for one in best_rows(checkpoints, method):
            best = [metric for metric, pick in picks.items() if pick.epoch == one.epoch]
            name = f'{method}, epoch {one.epoch}, best {", ".join(best)}'
            rows.append(dict(one.test, name=name))
    columns = [Column(metric, metric, '.2f') for metric in checkpoints[0].test]
    head = 'Whole checkpoints, those that are best in something on the test set.'
    return f'{head}\n\n{Card(rows, columns).markdown()}'


def _said(runs: Sequence[SweptRun]) -> list[str]:
    """What the checkpoints were chosen among, and what is not alike."""
    lines = [
        f'- {run.method}: {len(run.checkpoints)} checkpoints of {run.macs:,} MACs'
        + f', {run.left} larger ones left out' * bool(run.left)
        for run in runs
    ]
    said = ['\n'.join(lines)]
    if len({len(run.checkpoints) for run in runs}) > 1:
        said.append(
            'Not a fair comparison: a method with more checkpoints has more to choose among.'
        )
    if max(run.macs for run in runs) > CLOSE * min(run.macs for run in runs):
        said.append('Not a fair comparison: the networks differ in MACs.')
    return said


def _chart_text(chart: RankChart, exclude: Collection[str]) -> str:
    lines = [chart.card().markdown()]
    if exclude:
        lines.append(f'Not ranked, as asked: {", ".join(exclude)}.')
    for method, nets in chart.absent.items():
        lines.append(f'Not ranked: {method} lacks {", ".join(nets)}.')
    lines += chart.ties
    return '\n\n'.join(lines)
