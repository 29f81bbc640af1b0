"""Comparison tables from records of runs, as Markdown, CSV, JSON or for the terminal."""

import csv
import io
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rich.markup import escape
from rich.table import Table as RichTable
from scipy.special import stdtrit


@dataclass(frozen=True)
class Column:
    """One column of a card.

    Attributes:
        key: of the record.
        title: over the column.
        form: format of its numbers.
        better: which end is best, 'high' or 'low'; '' marks none.
    """

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
class Average:
    """Mean, sample standard deviation (None of one run) and number of the runs of one row."""

    mean: float
    spread: float | None
    runs: int

    def text(self, form: str, level: float | None = None) -> str:
        """Mean ± spread, or with a level ± half of the interval of the mean, where it is not 0."""
        after = self.spread
        if level is not None:
            after = self.half_width(level) if self.spread else None
        return format(self.mean, form) + ('' if after is None else f' ± {after:{form}}')

    def half_width(self, level: float = 0.95) -> float | None:
        """Half of the interval of the mean at this level, t(runs - 1) spread / sqrt(runs).

        None of one run, and of one whose number of repeats is not known.
        """
        if self.spread is None or self.runs < 2:
            return None
        return float(stdtrit(self.runs - 1, (1 + level) / 2)) * self.spread / self.runs**0.5


def average(values: Sequence[float]) -> Average | None:
    """The average of repeats; None where there is no value."""
    if not values:
        return None
    spread = statistics.stdev(values) if len(values) > 1 else None
    return Average(statistics.fmean(values), spread, len(values))


def csv_fields(value: Average | None) -> tuple:
    """Mean, spread and number of runs as they stand in a CSV file."""
    if value is None:
        return '', '', 0
    return value.mean, '' if value.spread is None else value.spread, value.runs


def markdown_table(lines: Iterable[Sequence[str]]) -> str:
    """Lines of a GitHub table (head, rule, rows), each ended; a bar in a text ends no cell."""
    return ''.join(map(_markdown_line, lines))


def _markdown_line(texts: Sequence[str]) -> str:
    return '| ' + ' | '.join(text.replace('|', r'\|') for text in texts) + ' |\n'


class Card:
    """A comparison of named rows; records of the same name are repeats (seeds) and are averaged.

    Args:
        records: flat mappings with `name` and any of the columns' keys; absent, None and NaN all
            mean not run, which is printed as '-'.
        columns: what to show, in order.
        level: of the intervals of means behind ±; None shows sample standard deviations there.
    """

    def __init__(
        self, records: Iterable[Mapping], columns: Sequence[Column], level: float | None = None
    ) -> None:
        self.columns = tuple(columns)
        self.level = level
        grouped: dict[str, list[Mapping]] = {}
        for record in records:
            if 'name' not in record:
                raise ValueError(
                    f"A record has no 'name': {dict(record)}; "
                    'give every record the name of its row.'
                )
            grouped.setdefault(str(record['name']), []).append(record)
        self.rows: dict[str, dict[str, Average | None]] = {}
        for name, repeats in grouped.items():
            self.rows[name] = {column.key: _of(repeats, column.key) for column in self.columns}

    def best(self, column: Column) -> set[str]:
        """Rows whose printed mean is best in `column`; none where fewer than two have one."""
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
        """Every row as its name and printed cells, the best of a column put into `mark`."""
        best = {column.key: self.best(column) for column in self.columns}
        lines = []
        for name, row in self.rows.items():
            line = [name]
            for column in self.columns:
                value = row[column.key]
                text = '-' if value is None else value.text(column.form, self.level)
                line.append(mark.format(text) if name in best[column.key] else text)
            lines.append(line)
        return lines

    def markdown(self) -> str:
        """A GitHub table, the best of each column in bold."""
        head = ['', *(column.title for column in self.columns)]
        rule = ['---', *('---:' for _ in self.columns)]
        return markdown_table([head, rule, *self.texts('**{}**')])

    def csv(self) -> str:
        """Full precision: mean, spread and number of runs of every column."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator='\n')
        head = ['name']
        for column in self.columns:
            head += [column.key, f'{column.key}_spread', f'{column.key}_runs']
        writer.writerow(head)
        for name, row in self.rows.items():
            line = [name]
            for column in self.columns:
                line += csv_fields(row[column.key])
            writer.writerow(line)
        return out.getvalue()

    def to_dict(self) -> dict:
        """The same as plain JSON types: name -> key -> {mean, spread, runs} or null."""
        found = {}
        for name, row in self.rows.items():
            found[name] = {key: value and vars(value) for key, value in row.items()}
        return found

    def rich(self, title: str = '') -> RichTable:
        """A table for the terminal, the best of each column in green."""
        title = escape(title) or None
        table = RichTable(title=title, title_justify='left', header_style='bold')
        table.add_column('')
        for column in self.columns:
            table.add_column(escape(column.title), justify='right')
        for name, *cells in self.texts('[bold green]{}[/]'):
            table.add_row(escape(name), *cells)
        return table


def _of(repeats: list[Mapping], key: str) -> Average | None:
    found = [float(record[key]) for record in repeats if record.get(key) is not None]
    return average([value for value in found if not math.isnan(value)])
