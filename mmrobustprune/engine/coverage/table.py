"""The records as a table for the docs, and what got worse between two of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .row import Record
from .steps import REMOVED

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
INTRO = f"""# What of the zoos can be pruned

One configuration per family of mmpretrain and mmdet, random weights, small images, on one core.
Written by `python tools/coverage.py`, which goes on from the records in `docs/results/coverage`.

- *prunable*: the share of parameters, and of multiplications (MACs), in groups of channels;
  *largest cause of the rest* keeps most of the other parameters whole, with their share.
- *{REMOVED:.0%} of MACs removed*: one-shot by magnitude, with certificate: MACs, parameters left.
- *trained by two lines*: three iterations of the zoo's own training under
  `robust_prune = dict(recipe='adasap', target={REMOVED})`: one round, the removal, two steps.
- *stock loader*: `init_detector` or `get_model` takes pruned.py and pruned.pth, same weights.
- *ONNX*: the pruned network in onnxruntime gives its outputs.
- *seconds*: of trace and removal, on one core.
- *Torch-Pruning*: MACs, parameters left after its own graph and group magnitude, the same share
  of every layer; it was told which layers are outputs.
"""


def markdown(records: Sequence[Record]) -> str:
    """The page of the docs."""
    rows = [cells(record) for record in records]
    lines = [_line(COLUMNS), _line('---' for _ in COLUMNS), *map(_line, rows)]
    return '\n'.join([INTRO, *summary(records), '', *lines]) + '\n'


def summary(records: Sequence[Record]) -> list[str]:
    """How many families of each zoo come through each step."""
    lines = []
    for zoo in sorted({record['config'].partition('::')[0] for record in records}):
        own = [record for record in records if record['config'].startswith(f'{zoo}::')]
        told = []
        for step in ('trace', 'prune', 'train', 'load', 'onnx', 'peer'):
            tried = {_family(record) for record in own if step in record['steps']}
            through = {_family(record) for record in own if _done(record, step)}
            told.append(f'{step} {len(through)} of {len(tried)}')
        lines.append(f'- {zoo}, families through each step: {", ".join(told)}')
    return lines


def _family(record: Record) -> str:
    return record['config'].split('/')[0]


def _done(record: Record, step: str) -> bool:
    return 'error' not in record['steps'].get(step, dict(error='not tried'))


def cells(record: Record) -> list[str]:
    """One row of the table."""
    steps = record['steps']
    share = steps.get('trace', {})
    known = _done(record, 'trace')
    return [
        record['config'],
        f'{share["parameters"]:,}' if known else _failed(record, 'trace'),
        f'{share["params"]:.0%}' if known else '',
        f'{share["macs"]:.0%}' if known else '',
        f'{share["cause"]} ({share["lost"]:.0%})' if known and share['lost'] > SLACK else '',
        _left(record, 'prune'),
        'yes' if _done(record, 'train') else _failed(record, 'train'),
        'yes' if _done(record, 'load') else _failed(record, 'load'),
        'yes' if _done(record, 'onnx') else _failed(record, 'onnx'),
        _seconds(record),
        _left(record, 'peer'),
    ]


def _left(record: Record, step: str) -> str:
    if not _done(record, step):
        return _failed(record, step)
    found = record['steps'][step]
    return f'{found["macs"]:.2f}, {found["params"]:.2f}'


def _failed(record: Record, step: str) -> str:
    """Why a step failed, in at most 90 characters; nothing where it was not tried."""
    error = record['steps'].get(step, {}).get('error', '')
    return error if len(error) <= 90 else f'{error[:87]}...'


def _seconds(record: Record) -> str:
    """Of trace and removal; nothing where one of them failed, or was not timed on its own."""
    steps = [record['steps'][step] for step in ('trace', 'prune') if _done(record, step)]
    known = [step['seconds'] for step in steps if 'seconds' in step]
    return f'{sum(known):.0f}' if len(known) == 2 else ''


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
        for key in ('params', 'macs') if step == 'trace' else ():
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
