"""How many families of each zoo come through each step, and which rows miss the goals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from .row import Record

STEPS = dict(
    trace='traced',
    prune='MACs removed',
    peer='by Torch-Pruning',
    train='trained by two lines',
    load='stock loader',
    onnx='ONNX',
)
FAILURES = dict(refused='refused', crash='crashed', time='not done in time')
FAMILIES = dict(mmpretrain=52, mmdet=50)  # that lose their MACs, at least
SHARES = dict(cnn=0.9, transformer=0.8, mlp=0.8)  # of the parameters in prunable groups, at least


def totals(records: Sequence[Record]) -> Iterator[list[str]]:
    """One row per zoo: its families, and how many of those tried come through each step."""
    yield ['zoo', 'families', *STEPS.values()]
    for zoo, own in by_zoo(records).items():
        yield [zoo, str(len(_families(own))), *(_told(own, step) for step in STEPS)]


def by_zoo(records: Sequence[Record]) -> dict[str, list[Record]]:
    """The records of each zoo."""
    found: dict[str, list[Record]] = {}
    for record in sorted(records, key=lambda record: record['config'].partition('::')[0]):
        found.setdefault(record['config'].partition('::')[0], []).append(record)
    return found


def done(record: Record, step: str) -> bool:
    """Whether a step was tried and did not fail."""
    return step in record['steps'] and 'error' not in record['steps'][step]


def goals(records: Sequence[Record]) -> Iterator[str]:
    """What was aimed at, and where it was not reached."""
    for zoo, own in by_zoo(records).items():
        through = len(_families([record for record in own if done(record, 'prune')]))
        least = FAMILIES.get(zoo, 0)
        yield f'{zoo}, families that lose the MACs asked for: {through}, at least {least} wanted.'
    for kind, least in SHARES.items():
        own = [record for record in records if record.get('kind') == kind]
        known = [record for record in own if done(record, 'trace')]
        below = [record for record in known if record['steps']['trace']['params'] < least]
        names = ', '.join(f'{_family(record)} {_why(record)}' for record in below)
        yield (
            f'{kind}, at least {least:.0%} of the parameters in groups: {len(known) - len(below)} '
            f'of {len(known)} configurations' + (f'; less: {names}.' if names else '.')
        )
    shares = [record['steps']['trace'] for record in records if done(record, 'trace')]
    limits = sum('tried' not in share for share in shares)
    if limits:
        yield f'The shares of {limits} configurations are upper limits: no group was tried there.'


def causes(records: Sequence[Record], count: int = 5) -> Iterator[str]:
    """What keeps parameters whole most often, over the rows where it keeps 0.5% or more."""
    found: Counter[str] = Counter()
    for record in records:
        if done(record, 'trace') and record['steps']['trace']['lost'] > 0.005:
            found[record['steps']['trace']['cause']] += 1
    for cause, rows in found.most_common(count):
        yield f'{rows}: {cause}'


def _family(record: Record) -> str:
    return record['config'].split('/')[0]


def _families(records: Sequence[Record]) -> set[str]:
    return {_family(record) for record in records}


def _why(record: Record) -> str:
    step = record['steps']['trace']
    return f'{step["params"]:.1%} ({step["cause"]})'


def _told(records: Sequence[Record], step: str) -> str:
    """How many of the families that were tried came through, and what became of the others."""
    tried = [record for record in records if step in record['steps']]
    through = _families([record for record in tried if done(record, step)])
    failed: dict[str, str] = {}
    for record in tried:
        if _family(record) not in through:
            failed[_family(record)] = record['steps'][step].get('kind', 'crash')
    left = Counter(failed.values())
    outside = left.pop('upstream', 0)
    said = [f'{number} {FAILURES[kind]}' for kind, number in left.items()]
    said += [f'{outside} not trained by the zoo itself'] * (outside > 0)
    of = len(_families(tried)) - outside
    return f'{len(through)} of {of}' + (f' ({", ".join(said)})' if said else '')
