"""The page of an experiment: README.md, its figures, and the table for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from rich.table import Table

from mmrobustprune.naming import nearest
from mmrobustprune.records.files import read_json, write_file
from mmrobustprune.report.figures.pareto import Offer, draw_pareto
from mmrobustprune.report.figures.rank_chart import draw_rank_chart
from mmrobustprune.report.tables.cards import Card, Column, markdown_table
from mmrobustprune.report.tables.ranks import rank_chart

from .columns import attack_sizes, columns, metrics, short_metric, with_rounds
from .differences import DRAWS, LEVEL, difference

DENSE = 'dense'

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Page:
    """What an experiment says of its page.

    Attributes:
        title: over it.
        suite, severities: of the corruptions; '' for none.
        robust: a column, and what the dense network must reach in it.
        reference: the method that differences are taken from.
        budget: in words; None where there is none.
    """

    title: str
    suite: str = ''
    severities: tuple[int, ...] = (3,)
    robust: tuple[str, float] | None = None
    reference: str = ''
    budget: str | None = None


def read_records(folder: Path, names: Sequence[str]) -> list[dict]:
    """Every record in a folder, in the order of the methods and seeds.

    Raises:
        ValueError: a record of a method that is not among the names.
    """
    found = [read_json(file) for file in folder.glob('*-seed*.json')]
    for record in found:
        if record['name'] not in names:
            raise ValueError(
                f"{folder} holds a record of '{record['name']}', which the experiment does not "
                f'have{nearest(record["name"], names)}; where the method was renamed, rename it '
                'in its records and their files, or move them away.'
            )
    return sorted(found, key=lambda one: (names.index(one['name']), one['seed']))


def write_page(folder: Path, page: Page, records: Sequence[Record]) -> Table:
    """Write README.md, pareto.png and ranks.png beside the records; the table for the terminal."""
    records = [with_rounds(record) for record in records]
    card = Card(records, columns(records, page.suite), LEVEL)
    parts = [f'# {page.title}', card.markdown().rstrip(), _note(page, records)]
    parts += [*_judged(page, records), *_rates(records)]
    compared = [record for record in records if record['name'] != DENSE]
    by_name = {name: list(own) for name, own in groupby(compared, key=lambda one: one['name'])}
    asked = metrics(records, page.suite)
    if len(by_name) > 1 and any(record.get('outcomes') for record in compared):
        parts += _differences(page, by_name, asked)
        parts += _figures(folder, page, card, by_name, asked)
    write_file(folder / 'README.md', ('\n\n'.join(parts) + '\n').encode())
    return card.rich(page.title)


def _note(page: Page, records: Sequence[Record]) -> str:
    """What the numbers are of."""
    first = records[0]
    metric = short_metric(records)
    what = f'{metric} clean, {first["images"]} images.'
    if page.suite:
        levels = ', '.join(map(str, page.severities))
        what = (
            f'mPC: mean over the corruptions of `{page.suite}` at severity {levels}, '
            f'{first["images"]} images.'
        )
    seeds = ', '.join(map(str, sorted({record['seed'] for record in records})))
    lines = [
        what,
        f'Seeds {seeds}; mean ± half of its {LEVEL:.0%} interval (Student) over seeds.',
        'Minutes are those of the training steps on the machine in the records; runs were made '
        'under different load where they were made at different times.',
    ]
    if any(record.get('gradients') for record in records):
        lines.append(
            'Gradients: images that passed with gradients, in epochs of the training set. ms: a '
            'forward pass of one image as deployed, timed when its run ended.'
        )
    if page.budget:
        lines.append(f'Removed: {page.budget}.')
    sizes = [f'{name} {size:,}' for name, size in attack_sizes(records).items()]
    if sizes:
        lines.append(f'Images under attack: {", ".join(sizes)}.')
    return ' '.join(lines)


def _judged(page: Page, records: Sequence[Record]) -> list[str]:
    """A sentence where the dense network is too weak for the methods to mean anything."""
    dense = [record for record in records if record['name'] == DENSE]
    if not (page.robust and dense):
        return []
    column, least = page.robust
    found = [record[column] for record in dense if record.get(column) is not None]
    if not found:
        return [f'The dense network has no {column}, which should be {least:g} % at least.']
    worst = min(found)
    if worst >= least:
        return []
    return [
        f'Failed: the dense network has {worst:.1f} % under {column}, below {least:g} %, '
        'so nothing follows from the methods.'
    ]


def _rates(records: Sequence[Record]) -> list[str]:
    """The learning rates, of all together where they are equal."""
    rules: dict[str, list[str]] = {}
    for record in records:
        if record.get('learning_rate'):
            names = rules.setdefault(record['learning_rate'], [])
            names += [record['name']] if record['name'] not in names else []
    if len(rules) == 1:
        return [f'Learning rate of all: {next(iter(rules))}.']
    return [f'- Learning rate of {", ".join(names)}: {rule}' for rule, names in rules.items()]


def _differences(
    page: Page, by_name: Mapping[str, Sequence[Record]], asked: Sequence[Column]
) -> list[str]:
    """The section of differences from the reference, nothing where that was not run."""
    if page.reference not in by_name:
        return []
    reference = by_name[page.reference]
    rows = []
    for name, own in by_name.items():
        if name != page.reference:
            found = [difference(own, reference, column.key) for column in asked]
            texts = [
                one.text(column.form) if one else '-'
                for one, column in zip(found, asked, strict=True)
            ]
            rows.append([name, *texts])
    head = ['', *(column.title for column in asked)]
    rule = ['---', *('---:' for _ in asked)]
    note = (
        f'First interval: paired bootstrap over the images, {DRAWS} draws; second: Student over '
        f'paired seeds; both {LEVEL:.0%}. ▲ ▼: neither holds 0; in brackets: that of the images '
        'alone does not.'
    )
    return [
        f'## Differences from {page.reference}',
        markdown_table([head, rule, *rows]).rstrip(),
        note,
    ]


def _figures(
    folder: Path,
    page: Page,
    card: Card,
    by_name: Mapping[str, Sequence[Record]],
    asked: Sequence[Column],
) -> list[str]:
    """Ranks in all metrics, and the one that counts against the MACs."""
    means = {}
    for name in by_name:
        row = card.rows[name]
        means[name] = {one.key: row[one.key].mean for one in asked if row[one.key]}
    chart = rank_chart({page.title: means})
    draw_rank_chart(folder / 'ranks.png', chart)
    counts = asked[-1] if not page.suite else next(one for one in asked if one.key == 'mPC')
    cost = 'removed' if 'removed' in card.rows[next(iter(by_name))] else 'macs'
    offers = []
    for name, own in card.rows.items():
        if name in by_name and own[counts.key] and own.get(cost):
            share = own[cost].mean if cost == 'macs' else 1 - own[cost].mean
            error = own[counts.key].half_width(LEVEL) or 0.0
            offers.append(Offer(name, share, own[counts.key].mean, error))
    titles = {'macs': 'MACs', 'removed': 'weights kept'}
    draw_pareto(folder / 'pareto.png', offers, titles[cost], counts.title)
    return [
        '## Ranks',
        chart.card().markdown().rstrip(),
        '![Ranks](ranks.png)\n\n![Cost and value](pareto.png)',
    ]
