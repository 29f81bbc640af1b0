"""Which columns the records of an experiment have numbers for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from mmrobustprune.report.tables.cards import Column

TIMES = {'dense ms': '.1f', 'ms': '.1f', 'predicted ms': '.1f', 'speed-up': '.2f'}
AFTER = {'after the cut': 'metric_after', 'recalibrated': 'metric_recalibrated'}
OF_MASKS = ('mask top1', 'mask pgd')  # of the validation
CLEAN_ALL = 'clean, all'

Record = Mapping[str, Any]


def with_rounds(record: Record) -> dict[str, Any]:
    """A record with the metric right after its last round of removal."""
    found = dict(record)
    if record.get('rounds'):
        last = record['rounds'][-1]
        for name, key in AFTER.items():
            found[name] = (last.get(key) or {}).get(record['metric'])
    return found


def columns(records: Sequence[Record], suite: str) -> list[Column]:
    """The columns of an experiment, costs first."""

    def there(key: str) -> bool:
        return any(record.get(key) is not None for record in records)

    metric = short_metric(records)
    form = '.3f' if records[0]['clean'] <= 1 else '.2f'
    found = [Column('epochs', 'epochs', '.0f')]
    if there('gradients'):
        found.append(Column('gradients', 'gradients, epochs', '.1f'))
    found.append(Column('minutes', 'minutes', '.1f'))
    if there('removed'):  # zeros do not make a network smaller
        found.append(Column('removed', 'weights removed', '.4f'))
    else:
        found += [Column('params', 'parameters', ',.0f'), Column('macs', 'MACs', ',.0f')]
    found += [Column(key, key, form) for key, form in TIMES.items() if there(key)]
    if there('gradients') and not there('ms'):
        found.append(Column('latency', 'ms', '.2f'))
    found += [Column(key, f'{key} (validation)', '.2f', 'high') for key in OF_MASKS if there(key)]
    found += [Column(name, f'{metric} {name}', form) for name in AFTER if there(name)]
    return found + metrics(records, suite)


def metrics(records: Sequence[Record], suite: str) -> list[Column]:
    """The columns in which methods are compared: clean, under corruption, under attack."""

    def there(key: str) -> bool:
        return any(record.get(key) is not None for record in records)

    metric = short_metric(records)
    form = '.3f' if records[0]['clean'] <= 1 else '.2f'
    found = []
    if there(CLEAN_ALL) and suite:
        found.append(Column(CLEAN_ALL, f'{metric} clean, all images', form, 'high'))
    found.append(Column('clean', f'{metric} clean', form, 'high'))
    if suite:
        found += [Column('mPC', 'mPC', form, 'high'), Column('rPC', 'rPC', '.3f', 'high')]
    if there('mask clean'):
        found.append(Column('mask clean', f'mask {metric} clean', form, 'high'))
    attacks = dict.fromkeys(chain.from_iterable(_attacks_of(record) for record in records))
    return found + [Column(key, key, form, 'high') for key in attacks]


def short_metric(records: Sequence[Record]) -> str:
    """The metric without its kind: 'top1'."""
    return records[0]['metric'].rsplit('/', 1)[-1]


def attack_sizes(records: Sequence[Record]) -> dict[str, int]:
    """Attack -> images that it was run on."""
    sizes = {}
    for record in records:
        for label, every in (record.get('attacks') or {}).items():
            for one in every:
                sizes[f'{label} {one["attack"]}'] = one['subset']['size']
    return sizes


def _attacks_of(record: Record) -> list[str]:
    """The columns of a record's attacks, those on the mask alone first."""
    masks = _named(record.get('mask_attacks'))
    return [*(f'mask {key}' for key in masks), *_named(record.get('attacks'))]


def _named(attacked: Mapping[str, Sequence[Record]] | None) -> list[str]:
    found = []
    for label, every in (attacked or {}).items():
        found += [f'{label} {one["attack"]} {one["eps"]:.3g}' for one in every]
    return found
