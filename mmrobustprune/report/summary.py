"""The report of one or several runs: table, figures, their numbers and one page, in one folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmrobustprune.naming import nearest

from .page import Part, write_page
from .runs import Run
from .sections import accuracy, training
from .tables.cards import Card, Column
from .tables.grid import CellTable, grids, is_percent, say_missing
from .tables.stamps import one_device, stamps

COST = ('params', 'macs', 'latency')
OPTIONAL = (*COST, 'R_C', 'mCE', 'relative_mCE')  # columns only where a run has a value


def comparison(runs: Sequence[Run], partial: bool = False) -> Card:
    """Parameters, MACs, latency, clean accuracy, mPC, rPC, one row per name.

    R_C and mCE are there where they say more.

    Args:
        runs: repeats share a name.
        partial: take means over the cells that every run has.

    Raises:
        ValueError: the runs may not be compared.
    """
    return _card(runs, grids(runs, partial))


def numbers(runs: Sequence[Run], partial: bool = False) -> dict[str, dict[str, Any]]:
    """What `gate.failures` bounds: the label of every run -> its numbers.

    These are its results, means as the table has them, and its cost.
    """
    labels = [run.label for run in runs]
    if twice := [label for label in labels if labels.count(label) > 1]:
        raise ValueError(
            f"two runs are called '{twice[0]}', so one would hide the other; give them other names."
        )
    tables = iter(grids(runs, partial))
    found = {}
    for run in runs:
        own = {key: value for key, value in (run.cost or {}).items() if key in COST}
        if run.results:
            own |= {**run.results, **_means(run, next(tables))}
        found[run.label] = own
    return found


def write_report(
    runs: Sequence[Run],
    out: str | Path,
    title: str = 'Comparison',
    extra: Sequence[Part] = (),
    foot: str = '',
    reference: str | None = None,
    partial: bool = False,
    draws: int = 1000,
) -> Path:
    """Write index.html (all in one file), report.md, the table and every figure's numbers.

    Args:
        runs: one or more; repeats share a name, and figures show the first of each (the scatter
            all).
        out: the folder.
        title: of the page.
        extra: more sections, whose figures lie in `out`.
        foot: a text at the end.
        reference: name of the run that margins are taken against; by default the first one's.
        partial: take means over the cells that every run has; otherwise a mean that misses a cell
            is not given.
        draws: of the bootstrap behind the margins' intervals; 0 gives none.

    Returns:
        The page.

    Raises:
        ValueError: no run, an unknown reference, or runs that may not be compared; nothing is
            written then.
    """
    if not runs:
        raise ValueError('no run was given to report on; give at least one.')
    names = list(dict.fromkeys(run.name for run in runs))
    reference = names[0] if reference is None else reference
    if reference not in names:
        raise ValueError(
            f"no run is called '{reference}'{nearest(reference, names)}; "
            f'choose the reference among {", ".join(names)}.'
        )
    found = grids(runs, partial)
    card = _card(runs, found)
    every = list(zip((run for run in runs if run.results), found, strict=True))
    first = {run.name: run for run in reversed(runs)}
    evaluated = {run.name: (run, grid) for run, grid in reversed(every)}
    shown = [evaluated[name] for name in names if name in evaluated]
    note = _explain(runs, found, card, partial)

    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    files = {
        'table.md': card.markdown() + (f'\n{note}\n' if note else ''),
        'table.csv': card.csv(),
        'table.json': json.dumps(card.to_dict(), indent=1),
    }
    for name, content in files.items():
        (out / name).write_text(content, encoding='utf-8')
    parts = [
        Part('Table', note, table=card, files=files),
        *accuracy(shown, every, reference, draws, out),
        *extra,
        *training([first[name] for name in names], out),
    ]
    stamped = stamps(runs)
    lines = [
        f'# {title}\n',
        *(part.markdown() for part in parts),
        *([f'{foot}\n'] if foot else []),
        *(f'- {name}: {value}' for name, value in stamped.items()),
    ]
    (out / 'report.md').write_text('\n'.join(lines) + '\n', encoding='utf-8')
    return write_page(out / 'index.html', title, parts, foot, stamped)


def _card(runs: Sequence[Run], found: Sequence[CellTable]) -> Card:
    tables = iter(found)
    records = [
        dict(run.record(), **_means(run, next(tables)) if run.results else {}) for run in runs
    ]
    for record in records:
        record['clean'] = record.get('P')
    form = '.1f' if is_percent(found) else '.3f'
    metric = found[0].metric if found else 'metric'
    columns = [
        Column('params', 'parameters', ',.0f', 'low'),
        Column('macs', 'MACs', ',.0f', 'low'),
        Column('latency', 'latency (ms)', '.1f', 'low' if one_device(runs) else ''),
        Column('clean', f'{metric} clean', form, 'high'),
        Column('mPC', 'mPC', form, 'high'),
        Column('rPC', 'rPC', '.3f', 'high'),
        Column('R_C', 'R_C', '.3f', 'high'),
        Column('mCE', 'mCE', '.1f', 'low'),
        Column('relative_mCE', 'relative mCE', '.1f', 'low'),
    ]
    shown = []
    for column in columns:
        there = any(record.get(column.key) is not None for record in records)
        says_more = column.key != 'R_C' or (there and _has_extra(found[0]))
        if column.key not in OPTIONAL or (there and says_more):
            shown.append(column)
    return Card(records, shown)


def _means(run: Run, grid: CellTable) -> dict[str, Any]:
    """The run's numbers over the counted cells; mCE only where it was taken over just these."""
    summary = grid.summary
    own = {(entry['corruption'], entry['severity']) for entry in run.results['cells']}
    whole = own == {(cell.corruption, cell.severity) for cell in grid.counted}
    return dict(
        P=summary.P,
        mPC=summary.mPC,
        rPC=summary.rPC,
        R_C=summary.R_C,
        per_corruption=summary.per_corruption,
        **{key: run.results.get(key) if whole else None for key in ('mCE', 'relative_mCE')},
    )


def _has_extra(grid: CellTable) -> bool:
    return any(cell.corruption not in grid.suite.corruptions for cell in grid.counted)


def _explain(runs: Sequence[Run], found: Sequence[CellTable], card: Card, partial: bool) -> str:
    """What the columns mean, which ± is printed, and what is missing."""
    sentences = []
    if found:
        results = next(run.results for run in runs if run.results)
        grid = found[0]
        kinds = dict.fromkeys(
            cell.corruption for cell in grid.counted if cell.corruption in grid.suite.corruptions
        )
        levels = ', '.join(map(str, grid.severities))
        sentences.append(
            f'mPC: mean over {len(kinds)} corruptions ({results["suite"]}) at severity {levels}, '
            f'on {results["images"]} images; rPC: mPC / clean.'
        )
        if any(column.key == 'R_C' for column in card.columns):
            sentences.append(f'R_C: mean over all {len(grid.corruptions)} corruptions / clean.')
        sentences.append(say_missing(found, partial))
    repeats = []
    for name, row in card.rows.items():
        number = max([value.runs for value in row.values() if value], default=0)
        if number > 1:
            repeats.append(f'{name}: {number}')
    if repeats:
        sentences.append(
            f'±: sample standard deviation over the runs of one name ({", ".join(repeats)}); '
            'figures show the first of them, the scatter all.'
        )
    if not one_device(runs):
        sentences.append('Latencies were taken on different devices and are not to be compared.')
    return ' '.join(filter(None, sentences))
