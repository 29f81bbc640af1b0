"""A filled table as Markdown, CSV and a table for the terminal."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from rich.table import Table as RichTable

from mmrobustprune.report.tables.cards import Cell

from .fill import Filled, derived
from .layout import Column, Derived


def texts(filled: Filled, mark: str = '{}') -> list[list[str]]:
    """Every row as its labels and printed cells; '-' where nothing was run, the best of those that compete put into `mark`."""
    return [
        [*row.labels, *(_text(filled, at, column, mark) for column in filled.table.columns)]
        for at, row in enumerate(filled.rows)
    ]


def heads(filled: Filled) -> list[str]:
    """The titles over `texts`."""
    return [*filled.table.heads, *(column.name for column in filled.table.columns)]


def markdown(filled: Filled) -> str:
    """A GitHub table under its title, the best in bold, and what the numbers depend on."""
    rule = ['---'] * len(filled.table.heads) + ['---:'] * len(filled.table.columns)
    lines = [
        '| ' + ' | '.join(line) + ' |' for line in (heads(filled), rule, *texts(filled, '**{}**'))
    ]
    return (
        f'# {filled.table.title}\n\n'
        + '\n'.join(lines)
        + '\n'
        + ''.join(f'\n{note}\n' for note in notes(filled))
    )


def notes(filled: Filled) -> list[str]:
    """The table's own note, which ± is printed, what every column's numbers depend on, and the runs that are not in it."""
    found = [filled.table.note] if filled.table.note else []
    repeats = max(
        (cell.runs for cells in filled.cells.values() for cell in cells if cell), default=0
    )
    if repeats > 1:
        found.append(
            '±: sample standard deviation over the seeds; a cell without it is of one seed.'
        )
    said: dict[str, list[str]] = {}
    for name, how in filled.under.items():
        if how:
            said.setdefault('; '.join(how), []).append(name)
    found += [f'{", ".join(names)}: {how}.' for how, names in said.items()]
    if filled.left:
        found.append(
            f'Not in this table: {"; ".join(f"{label} ({known})" for label, known in filled.left.items())}.'
        )
    return found


def as_csv(filled: Filled) -> str:
    """Full precision: mean, spread and number of runs of every number; the derived numbers after them."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator='\n')
    columns = filled.table.columns
    writer.writerow(
        [*filled.table.heads, *(title for column in columns for title in _titles(column))]
    )
    for at, row in enumerate(filled.rows):
        writer.writerow(
            [*row.labels, *(value for column in columns for value in _values(filled, at, column))]
        )
    return out.getvalue()


def as_rich(filled: Filled) -> RichTable:
    """A table for the terminal, the best in green."""
    table = RichTable(title=filled.table.title, title_justify='left', header_style='bold')
    for number, head in enumerate(heads(filled)):
        table.add_column(head, justify='left' if number < len(filled.table.heads) else 'right')
    for line in texts(filled, '[bold green]{}[/]'):
        table.add_row(*line)
    return table


def write(filled: Filled, out: str | Path, name: str) -> Path:
    """NAME.md and NAME.csv in `out`; returns the former."""
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    (out / f'{name}.csv').write_text(as_csv(filled), encoding='utf-8')
    path = out / f'{name}.md'
    path.write_text(markdown(filled), encoding='utf-8')
    return path


def _text(filled: Filled, at: int, column: Column | Derived, mark: str) -> str:
    if not isinstance(column, Column):
        pair = derived(column, filled, at)
        return '-' if pair is None else column.text(*pair)
    cells = filled.cells[at, column.name]
    if not any(cells):
        return '-'
    first, last = cells[:-1], cells[-1]
    line = '/'.join(
        ['-' if cell is None else format(cell.mean, column.form) for cell in first]
        + ['-' if last is None else last.text(column.form)]
    )
    return mark.format(line) if (at, column.name) in filled.best else line


def _titles(column: Column | Derived) -> list[str]:
    if not isinstance(column, Column):
        return [f'{column.name} {key}' for key in column.values]
    keys = [' ' + key.strip('{}') for key in column.keys] if len(column.keys) > 1 else ['']
    return [f'{column.name}{key}{part}' for key in keys for part in ('', ' spread', ' runs')]


def _values(filled: Filled, at: int, column: Column | Derived) -> list:
    if not isinstance(column, Column):
        pair = derived(column, filled, at)
        return (
            [''] * len(column.values)
            if pair is None
            else [of(*pair) for of in column.values.values()]
        )
    return [value for cell in filled.cells[at, column.name] for value in _cell(cell)]


def _cell(cell: Cell | None) -> tuple:
    return (
        ('', '', 0)
        if cell is None
        else (cell.mean, '' if cell.spread is None else cell.spread, cell.runs)
    )
