"""Comparison tables: records of runs in, Markdown, CSV, JSON or a terminal table out; what was not run is '-'."""

import csv
import io
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rich.table import Table as RichTable


@dataclass(frozen=True)
class Column:
    """One column: the record's key, the title, the number format, and which end is best ('high', 'low' or '')."""

    key: str
    title: str
    form: str = '.3f'
    better: str = ''

    def __post_init__(self) -> None:
        if self.better not in ('high', 'low', ''):
            raise ValueError(
                f"Column '{self.key}' got better={self.better!r}; use 'high', 'low' or ''."
            )


@dataclass(frozen=True)
class Cell:
    """What the runs of one row say about one column: mean, sample standard deviation, number of runs."""

    mean: float
    spread: float | None
    runs: int

    def text(self, form: str) -> str:
        return format(self.mean, form) + ('' if self.spread is None else f' ± {self.spread:{form}}')


class Card:
    """A comparison of named rows; records of the same name are repeats (seeds) and are averaged.

    Args:
        records: flat mappings with `name` and any of the columns' keys; absent, None and NaN all mean not run.
        columns: what to show, in order.
    """

    def __init__(self, records: Iterable[Mapping], columns: Sequence[Column]) -> None:
        self.columns = tuple(columns)
        grouped: dict[str, list[Mapping]] = {}
        for record in records:
            if 'name' not in record:
                raise ValueError(
                    f"A record has no 'name': {dict(record)}; give every record the name of its row."
                )
            grouped.setdefault(str(record['name']), []).append(record)
        self.rows = {
            name: {column.key: _cell(repeats, column.key) for column in self.columns}
            for name, repeats in grouped.items()
        }

    def best(self, column: Column) -> set[str]:
        """Names of the rows whose printed mean is best in `column`; empty where fewer than two rows have one."""
        shown = {
            name: float(format(row[column.key].mean, column.form).replace(',', ''))
            for name, row in self.rows.items()
            if row[column.key]
        }
        if not column.better or len(shown) < 2:
            return set()
        top = max(shown.values()) if column.better == 'high' else min(shown.values())
        return {name for name, value in shown.items() if value == top}

    def texts(self, mark: str) -> list[list[str]]:
        """Every row as its name and printed cells, the best of each column put into `mark` ('**{}**')."""
        best = {column.key: self.best(column) for column in self.columns}
        return [
            [name]
            + [
                mark.format(_text(row[column.key], column))
                if name in best[column.key]
                else _text(row[column.key], column)
                for column in self.columns
            ]
            for name, row in self.rows.items()
        ]

    def markdown(self) -> str:
        """A GitHub table, the best of each column in bold."""
        head = ['', *(column.title for column in self.columns)]
        rule = ['---', *('---:' for _ in self.columns)]
        return (
            '\n'.join(
                '| ' + ' | '.join(line) + ' |' for line in (head, rule, *self.texts('**{}**'))
            )
            + '\n'
        )

    def csv(self) -> str:
        """Full precision: mean, spread and number of runs of every column."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator='\n')
        writer.writerow(
            ['name']
            + [
                f'{column.key}{part}'
                for column in self.columns
                for part in ('', '_spread', '_runs')
            ]
        )
        for name, row in self.rows.items():
            cells = [row[column.key] for column in self.columns]
            writer.writerow(
                [name]
                + [
                    value
                    for cell in cells
                    for value in (
                        ('', '', 0) if cell is None else (cell.mean, _blank(cell.spread), cell.runs)
                    )
                ]
            )
        return out.getvalue()

    def to_dict(self) -> dict:
        """The same as plain JSON types: name -> key -> {mean, spread, runs} or null."""
        return {
            name: {key: cell and vars(cell) for key, cell in row.items()}
            for name, row in self.rows.items()
        }

    def rich(self, title: str = '') -> RichTable:
        """A table for the terminal, the best of each column in green."""
        table = RichTable(title=title or None, title_justify='left', header_style='bold')
        table.add_column('')
        for column in self.columns:
            table.add_column(column.title, justify='right')
        for line in self.texts('[bold green]{}[/]'):
            table.add_row(*line)
        return table


def _cell(repeats: list[Mapping], key: str) -> Cell | None:
    found = [float(record[key]) for record in repeats if record.get(key) is not None]
    values = [value for value in found if not math.isnan(value)]
    if not values:
        return None
    return Cell(
        statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None, len(values)
    )


def _text(cell: Cell | None, column: Column) -> str:
    return '-' if cell is None else cell.text(column.form)


def _blank(value: float | None) -> float | str:
    return '' if value is None else value
