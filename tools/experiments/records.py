"""The table over the records of an experiment, and the numbers in them."""

import json
from itertools import chain
from pathlib import Path

from arms import Experiment

from mmrobustprune.report.tables.cards import Card, Column

TIMES = {'dense ms': '.1f', 'ms': '.1f', 'predicted ms': '.1f', 'speed-up': '.2f'}
AFTER = {'after the cut': 'metric_after', 'recalibrated': 'metric_recalibrated'}
OF_MASKS = ('mask top1', 'mask pgd')  # of the validation


def flat_attacks(attacked: dict[str, list[dict]]) -> dict[str, float]:
    """One column per attack: preset, name and radius -> accuracy in per cent."""
    found = {}
    for preset, every in attacked.items():
        for one in every:
            found[f'{preset} {one["attack"]} {one["eps"]:.3g}'] = 100 * one['accuracy']
    return found


def summary(experiment: Experiment, results: Path) -> Card:
    """The table over every record in `results`, written beside them."""
    records = read_records(experiment, results)
    first = records[0]
    metric = first['metric'].rsplit('/', 1)[-1]
    card = Card(records, columns(experiment, records, metric))
    what = f'{metric} clean'
    if experiment.suite:
        what = f'mPC: mean over the corruptions of `{first["suite"]}` at severity 3'
    seeds = ', '.join(map(str, sorted({record['seed'] for record in records})))
    note = (
        f'{what}, {first["images"]} images. Seeds {seeds}; mean ± sample standard deviation. '
        'Minutes are those of the training steps on the machine in the records; arms ran under '
        f'different load where they ran at different times.{said_of_attacks(records)}'
    )
    text = f'# {experiment.title}\n\n{card.markdown()}\n{note}\n{judged(experiment, records)}'
    (results / 'README.md').write_text(text, encoding='utf-8')
    return card


def read_records(experiment: Experiment, results: Path) -> list[dict]:
    """Every record in the order of the arms and seeds."""
    order = ['dense', *experiment.arms]
    records = [json.loads(file.read_text()) for file in results.glob('*-seed*.json')]
    records.sort(key=lambda record: (order.index(record['name']), record['seed']))
    for record in records:
        if record.get('rounds'):
            last = record['rounds'][-1]
            for name, key in AFTER.items():
                record[name] = (last.get(key) or {}).get(record['metric'])
    return records


def columns(experiment: Experiment, records: list[dict], metric: str) -> list[Column]:
    """The columns that the records have numbers for."""
    form = '.3f' if records[0]['clean'] <= 1 else '.2f'

    def there(key: str) -> bool:
        return any(record.get(key) is not None for record in records)

    found = [Column('epochs', 'epochs', '.0f'), Column('minutes', 'minutes', '.1f')]
    if there('removed'):  # zeros do not make a network smaller
        found.append(Column('removed', 'weights removed', '.4f'))
    else:
        found += [Column('params', 'parameters', ',.0f'), Column('macs', 'MACs', ',.0f')]
    found += [Column(key, key, form) for key, form in TIMES.items() if there(key)]
    found += [Column(key, f'{key} (validation)', '.2f', 'high') for key in OF_MASKS if there(key)]
    found += [Column(name, f'{metric} {name}', form) for name in AFTER if there(name)]
    if there('clean, all'):
        found.append(Column('clean, all', f'{metric} clean, all images', form, 'high'))
    found.append(Column('clean', f'{metric} clean', form, 'high'))
    if experiment.suite:
        found += [Column('mPC', 'mPC', form, 'high'), Column('rPC', 'rPC', '.3f', 'high')]
    if there('mask clean'):
        found.append(Column('mask clean', f'mask {metric} clean', form, 'high'))
    attacks = dict.fromkeys(chain.from_iterable(_attacks_of(record) for record in records))
    return found + [Column(key, key, form, 'high') for key in attacks]


def _attacks_of(record: dict) -> list[str]:
    """The columns of a record's attacks, those on the mask alone first."""
    masks = flat_attacks(record.get('mask_attacks') or {})
    return [*(f'mask {key}' for key in masks), *flat_attacks(record.get('attacks') or {})]


def said_of_attacks(records: list[dict]) -> str:
    """On how many images each attack was run."""
    sizes = {}
    for record in records:
        for label, every in (record.get('attacks') or {}).items():
            for one in every:
                sizes[f'{label} {one["attack"]}'] = one['subset']['size']
    listed = ', '.join(f'{name} {size:,}' for name, size in sizes.items())
    return f' Images under attack: {listed}.' if sizes else ''


def judged(experiment: Experiment, records: list[dict]) -> str:
    """A sentence where the dense network is too weak for the arms to mean anything."""
    dense = [record for record in records if record['name'] == 'dense']
    if not (experiment.robust and dense):
        return ''
    column, least = experiment.robust
    worst = min(record[column] for record in dense)
    if worst >= least:
        return ''
    return (
        f'\nFailed: the dense network has {worst:.1f} % under {column}, below {least:g} %, '
        'so nothing follows from the arms.\n'
    )
