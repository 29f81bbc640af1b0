"""A filled table as Markdown, CSV and a table for the terminal."""

from __future__ import annotations

import csv
import io
from itertools import chain
from pathlib import Path

from rich.markup import escape
from rich.table import Table as RichTable

from mmrobustprune.report.tables.cards import csv_fields, markdown_table

from .fill import Filled, derived
from .layout import Derived, TableColumn


def texts(filled: Filled, mark: str = '{}') -> list[list[str]]:
    """Every row as its labels and printed cells.

    A cell is '-' where nothing was run; the best of those that compete is put into `mark`.
    """
    lines = []
    for at, row in enumerate(filled.rows):
        cells = [_text(filled, at, column, mark) for column in filled.table.columns]
        lines.append([*row.labels, *cells])
    return lines


def heads(filled: Filled) -> list[str]:
    """The titles over `texts`."""
    return [*filled.table.heads, *(column.name for column in filled.table.columns)]


def markdown(filled: Filled) -> str:
    """A GitHub table under its title, the best in bold, and what the numbers depend on."""
    rule = ['---'] * len(filled.table.heads) + ['---:'] * len(filled.table.columns)
    table = markdown_table([heads(filled), rule, *texts(filled, '**{}**')])
    ends = ''.join(f'\n{note}\n' for note in notes(filled))
    return f'# {filled.table.title}\n\n{table}{ends}'


def notes(filled: Filled) -> list[str]:
    """What stands under the table.

    Its own note, which ± is printed, what every column's numbers depend on, the rows that are
    cited, and the runs that are not in it.
    """
    found = [filled.table.note] if filled.table.note else []
    found += filled.unfair
    for label, lacks in filled.lacks.items():
        found.append(f'{label}: {lacks}, so its mean is left out; evaluate it to the end.')
    spreads = [cells[-1] for cells in filled.cells.values()]  # the last key's is printed
    if any(cell and cell.runs > 1 for cell in spreads):
        found.append(
            '±: sample standard deviation over the seeds; a cell without it is of one seed.'
        )
    said: dict[str, list[str]] = {}
    for name, how in filled.under.items():
        if how:
            said.setdefault('; '.join(how), []).append(name)
    found += [f'{", ".join(names)}: {how}.' for how, names in said.items()]
    if filled.cited:
        found.append(f'Cited, not measured here: {"; ".join(filled.cited)}.')
    if filled.left:
        left = [f'{label} ({known})' for label, known in filled.left.items()]
        found.append(f'Not in this table: {"; ".join(left)}.')
    return found


def as_csv(filled: Filled) -> str:
    """Full precision: mean, spread and number of runs, and the derived numbers."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator='\n')
    columns = filled.table.columns
    titles = chain.from_iterable(_titles(column) for column in columns)
    writer.writerow([*filled.table.heads, *titles])
    for at, row in enumerate(filled.rows):
        values = chain.from_iterable(_values(filled, at, column) for column in columns)
        writer.writerow([*row.labels, *values])
    return out.getvalue()


def as_rich(filled: Filled) -> RichTable:
    """A table for the terminal, the best in green."""
    table = RichTable(title=filled.table.title, title_justify='left', header_style='bold')
    labels = len(filled.table.heads)
    for number, head in enumerate(heads(filled)):
        table.add_column(escape(head), justify='left' if number < labels else 'right')
    for line in texts(filled, '[bold green]{}[/]'):
        table.add_row(*map(escape, line[:labels]), *line[labels:])
    return table


def write(filled: Filled, out: str | Path, name: str) -> Path:
    """NAME.md and NAME.csv in `out`; returns the former."""
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    (out / f'{name}.csv').write_text(as_csv(filled), encoding='utf-8')
    path = out / f'{name}.md'
    path.write_text(markdown(filled), encoding='utf-8')
    return path


def _text(filled: Filled, at: int, column: TableColumn | Derived, mark: str) -> str:
    if not isinstance(column, TableColumn):
        pair = derived(column, filled, at)
        return '-' if pair is None else column.text(*pair)
    cells = filled.cells[at, column.name]
    if not any(cells):
        return '-'
    *first, last = cells
    parts = ['-' if cell is None else format(cell.mean, column.form) for cell in first]
    parts.append('-' if last is None else last.text(column.form))
    line = '/'.join(parts)
    return mark.format(line) if (at, column.name) in filled.best else line


def _titles(column: TableColumn | Derived) -> list[str]:
    if not isinstance(column, TableColumn):
        return [f'{column.name} {key}' for key in column.values]
    found = []
    for key in column.keys:
        name = column.name
        if len(column.keys) > 1:
            name += ' ' + key.strip('{}')
        found += [name, f'{name} spread', f'{name} runs']
    return found


def _values(filled: Filled, at: int, column: TableColumn | Derived) -> list:
    if not isinstance(column, TableColumn):
        pair = derived(column, filled, at)
        if pair is None:
            return [''] * len(column.values)
        return [number(*pair) for number in column.values.values()]
    return list(chain.from_iterable(map(csv_fields, filled.cells[at, column.name])))
