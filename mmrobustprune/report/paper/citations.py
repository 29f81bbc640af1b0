"""Rows that were not measured here: numbers of the literature, as CSV in a table's own layout."""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mmrobustprune.naming import unknown
from mmrobustprune.report.tables.cards import Average

from .layout import Row, Table, TableColumn

METHOD = 'method'  # the label that rows of one block do not share
SHIPPED = Path(__file__).parent / 'cited'
_NUMBER = re.compile(r'([-+]?\d*\.?\d+)(?: ± (\d*\.?\d+))?')
Cells = dict[tuple[int, str], tuple[Average | None, ...]]


@dataclass(frozen=True)
class Cited:
    """A row of a table, by its labels, and what is printed in it.

    Attributes:
        labels: as many as the table's heads.
        cells: name of a column -> a number for each of its keys; None where none is known.
        yields: gives way where the row was run; otherwise that is refused.
    """

    labels: tuple[str, ...]
    cells: Mapping[str, tuple[Average | None, ...]]
    yields: bool = False


def shipped(name: str, table: Table) -> list[Cited]:
    """What the paper cites in this table, as far as it comes with the package; runs go first."""
    file = SHIPPED / f'{name}.csv'
    rows = read_cited(file, table) if file.exists() else []
    return [replace(row, yields=True) for row in rows]


def read_cited(file: str | Path, table: Table) -> list[Cited]:
    """The rows of a CSV file whose head is the table's: labels, then any of its columns.

    A cell is a number, `mean ± deviation`, `a/b` where the column has two, or '-'.

    Raises:
        FileNotFoundError: no such file.
        ValueError: another head, a row of another length, or a cell that is no number.
    """
    file = Path(file)
    if not file.exists():
        raise FileNotFoundError(f'{file} is not there; give a CSV file with rows to cite.')
    with file.open(encoding='utf-8', newline='') as lines:
        head, *rows = [line for line in csv.reader(lines) if line]
    columns = {one.name: one for one in table.columns if isinstance(one, TableColumn)}
    labels = len(table.heads)
    if tuple(head[:labels]) != table.heads:
        raise ValueError(
            f'{file} begins with {", ".join(head[:labels])}, the table with '
            f'{", ".join(table.heads)}; give its labels first.'
        )
    for name in head[labels:]:
        if name not in columns:
            raise unknown(f'column of {file}', name, columns)
    found = []
    for row in rows:
        if len(row) != len(head):
            raise ValueError(
                f"{file}: the row '{', '.join(row)}' has {len(row)} cells and the head {len(head)}."
            )
        cells = zip(head[labels:], row[labels:], strict=True)
        read = {name: _numbers(cell, columns[name], file) for name, cell in cells}
        found.append(Cited(tuple(row[:labels]), read))
    return found


def with_cited(
    table: Table, rows: Sequence[Row], cells: Cells, cited: Sequence[Cited]
) -> tuple[tuple[Row, ...], Cells, tuple[str, ...]]:
    """The rows and cells of a table with those that are cited, and the labels of these.

    One with the labels of a row stands there; another stands before the rows that share its labels
    but for the method, and competes with them; one that shares none ends the table.

    Raises:
        ValueError: a row that runs have filled, too.
    """
    columns = [column for column in table.columns if isinstance(column, TableColumn)]
    lines = []
    for at, row in enumerate(rows):
        lines.append((row, {one.name: cells[at, one.name] for one in columns}))
    declared = {row.labels for row in rows}
    placed = []
    for one in cited:
        empty = {column.name: (None,) * len(column.keys) for column in columns}
        same = [at for at, (row, _) in enumerate(lines) if row.labels == one.labels]
        if not same:
            at, block = _place(table, [row for row, _ in lines], one, declared)
            lines.insert(at, (Row(one.labels, block=block), empty | one.cells))
            placed.append(', '.join(one.labels))
            continue
        row, own = lines[same[0]]
        if any(map(any, own.values())):
            if one.yields:
                continue
            raise ValueError(
                f"'{', '.join(one.labels)}' is cited and was run, too; leave the run or the line "
                'of the CSV file away.'
            )
        lines[same[0]] = (row, empty | one.cells)
        placed.append(', '.join(one.labels))
    found = {}
    for at, (_, own) in enumerate(lines):
        found.update({(at, name): numbers for name, numbers in own.items()})
    return tuple(row for row, _ in lines), found, tuple(placed)


def _place(
    table: Table, rows: Sequence[Row], one: Cited, declared: Collection[tuple[str, ...]]
) -> tuple[int, str]:
    """Where a row that the table does not have stands, and what it competes with."""
    shared = _shared(table, one.labels)
    alike = [
        at for at, row in enumerate(rows) if row.block and _shared(table, row.labels) == shared
    ]
    if not alike:
        return len(rows), ', '.join(shared)
    ours = [at for at in alike if rows[at].labels in declared]
    return (ours[0] if ours else alike[-1] + 1), rows[alike[0]].block


def _shared(table: Table, labels: Sequence[str]) -> tuple[str, ...]:
    pairs = zip(table.heads, labels, strict=True)
    return tuple(label for head, label in pairs if head != METHOD)


def _numbers(cell: str, column: TableColumn, file: Path) -> tuple[Average | None, ...]:
    parts = cell.split('/') if len(column.keys) > 1 else [cell]
    if len(parts) != len(column.keys):
        parts = ['-'] * len(column.keys) if cell.strip() in ('', '-') else []
    found = tuple(_number(part.strip(), cell, file) for part in parts)
    if not found:
        raise ValueError(
            f"{file}: '{cell}' under '{column.name}' is not {len(column.keys)} numbers."
        )
    return found


def _number(text: str, cell: str, file: Path) -> Average | None:
    if text in ('', '-'):
        return None
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise ValueError(f"{file}: '{cell}' is no number; write 74.54, 74.54 ± 0.09 or -.")
    return Average(float(match[1]), float(match[2]) if match[2] else None, 1)
