"""The sections of a report on accuracy under corruption: every figure with its numbers."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from .figures.bars import class_bars, corruption_bars
from .figures.curves import severity_curve, training_curve
from .figures.heatmap import heat_map
from .figures.margin_chart import margin_chart
from .figures.scatter import Point, tradeoff
from .page import Part
from .runs import Run
from .tables.cards import Card, Column
from .tables.grid import CellTable, is_percent
from .tables.margins import Margins, margins

MOST_CLASSES = 20  # in a figure or on the page; the file holds all


def accuracy(
    shown: Sequence[tuple[Run, CellTable]],
    every: Sequence[tuple[Run, CellTable]],
    reference: str,
    draws: int,
    out: Path,
) -> list[Part]:
    """All that is drawn of the runs that were evaluated.

    Args:
        shown: the first of every name; every: repeats too.
        reference: whom margins are taken against, with intervals from so many draws.
        out: folder of the figures and of the files with their numbers.
    """
    if not shown:
        return []
    grids = [grid for _, grid in shown]
    rows = []
    for run, grid in every:
        rows.append((run.label, 'clean', 0, grid.clean))
        for cell in grid.shown:
            rows.append((run.label, cell.corruption, cell.severity, grid.values.get(cell, '')))
    cells = _csv(('run', 'corruption', 'severity', grids[0].metric), rows)
    (out / 'cells.csv').write_text(cells, encoding='utf-8')
    parts = [
        *_severity(grids, out),
        *_scatter(every, out),
        Part(
            'Every corruption',
            _say_bars(grids) + _ticks(grids, reference),
            corruption_bars(out / 'corruptions.png', grids, reference).name,
        ),
        Part(
            'Every cell',
            'The row mean is over the corruptions above it.'
            + ' Hatched: not there.' * any(grid.missing for grid in grids),
            heat_map(out / 'heatmap.png', grids).name,
            files={'cells.csv': cells},
        ),
    ]
    return parts + _margins(shown, reference, draws, out) + _classes(grids, reference, out)


def training(runs: Iterable[Run], out: Path) -> list[Part]:
    """The training of every run whose log is there."""
    parts = []
    for number, run in enumerate(runs):
        if len(run.log.loss) > 1:
            whole = 100 if run.percent else 1
            metric = [(at, value / whole) for at, value in run.log.metric]
            file = training_curve(
                out / f'training_{number}.png',
                run.log.loss,
                metric,
                run.log.phases,
                metric_name=run.metric or 'metric',
                share=run.log.share,
            ).name
            parts.append(Part(f'Training: {run.name}', figure=file))
    return parts


def _severity(grids: Sequence[CellTable], out: Path) -> list[Part]:
    if len(grids[0].severities) < 2:
        return []
    file = severity_curve(out / 'severity.png', grids)
    return [Part('Accuracy against severity', figure=file.name)]


def _scatter(every: Sequence[tuple[Run, CellTable]], out: Path) -> list[Part]:
    points = [
        Point(run.name, grid.clean, grid.summary.mPC, (run.cost or {}).get('params'))
        for run, grid in every
        if grid.summary.mPC is not None
    ]
    if len(points) < 2:
        return []
    sized = ' Areas go with the parameters.' if any(point.size for point in points) else ''
    return [
        Part(
            'Clean against robust',
            'Dashed: nothing is lost; grey: lines of equal R = robust / clean.' + sized,
            tradeoff(out / 'scatter.png', points, every[0][1].metric).name,
        )
    ]


def _say_bars(grids: Sequence[CellTable]) -> str:
    lines = 'Dashed: clean.'
    if len(grids[0].severities) > 1:
        lines += ' Thin lines: from the worst to the best severity.'
    return lines


def _margins(
    shown: Sequence[tuple[Run, CellTable]], reference: str, draws: int, out: Path
) -> list[Part]:
    """One figure for every run that is not the reference."""
    by_name = {run.name: (run, grid) for run, grid in shown}
    if reference not in by_name:  # it was not evaluated
        return []
    theirs, below = by_name.pop(reference)
    found = []
    for run, grid in by_name.values():
        if any(None not in (grid.mean(name), below.mean(name)) for name in grid.corruptions):
            found.append(margins(run, theirs, (grid, below), draws))
    if not found:
        return []
    figures = []
    rows = []
    for number, one in enumerate(found):
        figures.append(margin_chart(out / f'margin_{number}.png', one).name)
        for name, (value, low, high) in one.values.items():
            rows.append((one.ours, one.theirs, name, value, _blank(low), _blank(high)))
    text = _csv(('run', 'reference', 'corruption', 'difference', 'low', 'high'), rows)
    (out / 'margins.csv').write_text(text, encoding='utf-8')
    note = _say_margins(found)
    return [Part(f'Margin over {reference}', note, figures, files={'margins.csv': text})]


def _say_margins(found: Sequence[Margins]) -> str:
    sentences = [
        f'Right of zero the run is better than {found[0].theirs}, corruption by corruption.'
    ]
    if any(not one.why for one in found):
        sentences.append(
            f'Lines: {found[0].level:.0%} intervals of the paired bootstrap over images; '
            'pale where they hold zero.'
        )
    reasons = dict.fromkeys(one.why for one in found if one.why)
    sentences += [f'No intervals: {why}.' for why in reasons]
    return ' '.join(sentences)


def _classes(grids: Sequence[CellTable], reference: str, out: Path) -> list[Part]:
    """A table and bars of the classes, where every run's results hold them."""
    means = [grid.class_means() for grid in grids]
    common = set.intersection(*(set(table) for table in means))
    names = [name for name in means[0] if name in common]
    if not names:
        return []
    rows = []
    for grid, table in zip(grids, means, strict=True):
        for name in names:
            clean = grid.classes[name]
            rows.append((grid.name, name, clean, table[name], table[name] / clean if clean else ''))
    text = _csv(('run', 'class', 'P', 'mPC', 'rPC'), rows)
    (out / 'per_class.csv').write_text(text, encoding='utf-8')
    note = ''
    shown = names
    if len(names) > MOST_CLASSES:
        shown = sorted(names, key=lambda name: means[0][name] - grids[0].classes[name])
        shown = shown[:MOST_CLASSES]
        note = (
            f' Of {len(names)} classes the {MOST_CLASSES} that lose most in {grids[0].name}; '
            'the file holds all.'
        )
    return [
        Part(
            'Every class',
            f'Bars: mPC of the class; coloured ticks: clean.{_ticks(grids, reference)}{note}',
            class_bars(out / 'classes.png', grids, shown, reference).name,
            table=_class_card(grids, means, shown),
            files={'per_class.csv': text},
        )
    ]


def _class_card(
    grids: Sequence[CellTable], means: Sequence[dict[str, float]], names: Sequence[str]
) -> Card:
    """A row per class, the clean value and mPC of every run."""
    form = '.1f' if is_percent(grids) else '.3f'
    records = {name: dict(name=name) for name in names}
    columns = []
    for at, (grid, table) in enumerate(zip(grids, means, strict=True)):
        prefix = f'{grid.name}: ' if len(grids) > 1 else ''
        columns.append(Column(f'{at} clean', f'{prefix}clean', form))
        columns.append(Column(f'{at} mPC', f'{prefix}mPC', form))
        for name, record in records.items():
            record |= {f'{at} clean': grid.classes[name], f'{at} mPC': table[name]}
    return Card(records.values(), columns)


def _ticks(grids: Sequence[CellTable], reference: str) -> str:
    if len(grids) < 2 or all(grid.name != reference for grid in grids):
        return ''
    return f' Black ticks: {reference}.'


def _csv(head: Sequence[str], rows: Iterable[Sequence]) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator='\n')
    writer.writerow(head)
    writer.writerows(rows)
    return file.getvalue()


def _blank(value: float | None) -> float | str:
    return '' if value is None else value
