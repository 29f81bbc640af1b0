"""The records as a table for the docs, and what got worse between two of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .row import Record
from .steps import REMOVED
from .totals import causes, done, goals, totals

SLACK = 0.005  # of a share: less is no change
COLUMNS = (
    'config',
    'parameters',
    'prunable parameters',
    'prunable MACs',
    'largest cause of the rest',
    f'{REMOVED:.0%} of MACs removed',
    'trained by two lines',
    'stock loader',
    'ONNX',
    'seconds',
    'Torch-Pruning',
)
INTRO = """# What of the zoos can be pruned

One configuration per family of mmpretrain and mmdet, random weights, small images, on one core.
Written by `python tools/coverage.py`, which goes on from the records in `docs/results/coverage`.
"""
NOTES = f"""## Every configuration

- *prunable*: the share of parameters, and of multiplications (MACs), in groups of channels; *at
  most* where groups that hold a width in code were not tried yet. *Largest cause of the rest*
  keeps most of the other parameters whole, with their share.
- *{REMOVED:.0%} of MACs removed*: one-shot by magnitude, with certificate: MACs, parameters left.
- *trained by two lines*: three iterations of the zoo's own training under
  `robust_prune = dict(recipe='adasap', target={REMOVED})`: one round, the removal, two steps.
- *stock loader*: `init_detector` or `get_model` takes pruned.py and pruned.pth, same weights.
- *ONNX*: the pruned network in onnxruntime gives its outputs. A two-stage detector is refused, as
  it selects boxes inside; its config and weights are exported all the same.
- *seconds*: of the removal, trace and certificate included, on one core.
- *Torch-Pruning*: MACs, parameters left after its own graph and group magnitude, the same share
  of every layer; it was told which layers are outputs.

A step has 300 seconds of the processor, unless a cell names less. An empty cell was not tried yet.
"""


def markdown(records: Sequence[Record]) -> str:
    """The page of the docs."""
    head, *rows = totals(records)
    parts = [
        INTRO,
        *_table(head, rows),
        '',
        '## Goals',
        '',
        *(f'- {one}' for one in goals(records)),
    ]
    parts += [
        '',
        'What keeps most parameters whole, and in how many configurations (over 0.5%):',
        '',
    ]
    parts += [f'- {one}' for one in causes(records)]
    return '\n'.join([*parts, '', NOTES, *_table(COLUMNS, map(cells, records))]) + '\n'


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [_line(head), _line('---' for _ in head), *map(_line, rows)]


def cells(record: Record) -> list[str]:
    """One row of the table."""
    steps = record['steps']
    share = steps.get('trace', {})
    known = done(record, 'trace')
    most = '' if share.get('tried') else 'at most '
    return [
        record['config'],
        f'{share["parameters"]:,}' if known else _failed(record, 'trace'),
        f'{most}{share["params"]:.0%}' if known else '',
        f'{most}{share["macs"]:.0%}' if known else '',
        f'{share["cause"]} ({share["lost"]:.0%})' if known and share['lost'] > SLACK else '',
        _left(record, 'prune'),
        'yes' if done(record, 'train') else _failed(record, 'train'),
        'yes' if done(record, 'load') else _failed(record, 'load'),
        'yes' if done(record, 'onnx') else _failed(record, 'onnx'),
        _seconds(record),
        _left(record, 'peer'),
    ]


def _left(record: Record, step: str) -> str:
    if not done(record, step):
        return _failed(record, step)
    found = record['steps'][step]
    return f'{found["macs"]:.2f}, {found["params"]:.2f}'


def _failed(record: Record, step: str) -> str:
    """Why a step failed, in at most 90 characters; nothing where it was not tried."""
    error = record['steps'].get(step, {}).get('error', '')
    return error if len(error) <= 90 else f'{error[:87]}...'


def _seconds(record: Record) -> str:
    """Of the removal; nothing where it failed, or was not timed on its own."""
    step = record['steps'].get('prune', {})
    return f'{step["seconds"]:.0f}' if 'seconds' in step and 'error' not in step else ''


def _line(values: Iterable[str]) -> str:
    return f'| {" | ".join(value.replace("|", "/") for value in values)} |'


def worse(old: Record, new: Record) -> list[str]:
    """What a new record of a configuration does less well, in the steps that both have."""
    found = []
    for step, now in new['steps'].items():
        before = old['steps'].get(step)
        if before is None or 'error' in before:
            continue
        if 'error' in now:
            found.append(f'{step} failed ({now["error"]})')
            continue
        alike = step == 'trace' and before.get('tried') == now.get('tried')
        for key in ('params', 'macs') if alike else ():
            if now[key] < before[key] - SLACK:
                found.append(f'prunable {key} fell from {before[key]} to {now[key]}')
        if step == 'prune' and now['macs'] > max(before['macs'], 1 - REMOVED) + SLACK:
            found.append(f'MACs left rose from {before["macs"]} to {now["macs"]}')
    return found


def compare(old: Sequence[Record], new: Sequence[Record]) -> list[str]:
    """One line for everything that got worse, with the configuration in front."""
    lines = []
    for before, now in zip(old, new, strict=True):
        lines += [f'{now["config"]}: {what}' for what in worse(before, now)]
    return lines
