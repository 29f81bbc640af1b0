"""The cells of runs as tables that may stand side by side: what is there, what is missing, what may be compared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from statistics import fmean
from typing import Any

from mmrobustprune.corruption.metrics import Summary, summarize
from mmrobustprune.corruption.suites import Cell, Suite, suite_of
from mmrobustprune.report.runs import Run

SAME = {
    'data': 'the data',
    'images': 'the number of images',
    'suite': 'the suite',
    'metric': 'the metric',
    'seed': 'the seed of the corruptions',
    'eval_mode': 'the averaging of precision',
    'baseline': 'the baseline of mCE',
}


@dataclass(frozen=True)
class Grid:
    """One run's metric, clean and by cell; a cell that is not in `values` is missing, never zero.

    Attributes:
        shown: the cells that any of the compared runs asked for.
        counted: the cells that means are over.
        classes: class -> its clean value; by_class: cell -> class -> value.
    """

    name: str
    metric: str
    clean: float
    values: Mapping[Cell, float]
    shown: tuple[Cell, ...]
    counted: tuple[Cell, ...]
    classes: Mapping[str, float] = field(default_factory=dict)
    by_class: Mapping[Cell, Mapping[str, float]] = field(default_factory=dict)
    suite: Suite = Suite('any')

    @property
    def corruptions(self) -> list[str]:
        return list(dict.fromkeys(cell.corruption for cell in self.shown))

    @property
    def severities(self) -> list[int]:
        return sorted({cell.severity for cell in self.shown})

    @property
    def missing(self) -> list[Cell]:
        return [cell for cell in self.shown if cell not in self.values]

    @cached_property
    def summary(self) -> Summary:
        """P, mPC, rPC, R_C and the means over rows and columns; None where a counted cell is missing."""
        return summarize(self.clean, self.values, self.counted, run=dict(suite=self.suite.name))

    def mean(self, corruption: str | None = None, severity: int | None = None) -> float | None:
        """The mean over a row, a column, or all; a column's and all's is over the benchmark corruptions, as mPC is."""
        cells = [
            cell
            for cell in self.counted
            if (
                cell.corruption == corruption
                if corruption
                else cell.corruption in self.suite.corruptions
            )
            and severity in (None, cell.severity)
        ]
        if not cells or any(cell not in self.values for cell in cells):
            return None
        return fmean(self.values[cell] for cell in cells)

    def class_means(self) -> dict[str, float]:
        """Class -> mPC of that class, of the classes that every counted benchmark cell has a value for."""
        cells = [cell for cell in self.counted if cell.corruption in self.suite.corruptions]
        tables = [self.by_class.get(cell, {}) for cell in cells]
        return {
            name: fmean(table[name] for table in tables)
            for name in self.classes
            if tables and all(name in table for table in tables)
        }


def grids(runs: Iterable[Run], partial: bool = False) -> list[Grid]:
    """The grids of the runs that were evaluated, in order, over the same cells.

    Args:
        partial: take means over the cells that every run has; otherwise a mean that misses a cell is None.
    Raises:
        ValueError: the runs may not be compared, or have no cell in common.
    """
    runs = [run for run in runs if run.results]
    if not runs:
        return []
    refuse_different(runs)
    asked = {
        Cell(name, level)
        for run in runs
        for name in run.results['corruptions']
        for level in run.results['severities']
    }
    values = [_values(run.results) for run in runs]
    suite = suite_of(runs[0].results)
    order = {name: at for at, name in enumerate(suite.all)}
    shown = tuple(
        sorted(
            asked,
            key=lambda cell: (
                order.get(cell.corruption, len(order)),
                cell.corruption,
                cell.severity,
            ),
        )
    )
    counted = tuple(cell for cell in shown if not partial or all(cell in table for table in values))
    if not counted:
        raise ValueError(
            f'{_names(runs)} have no cell in common; evaluate them on the same corruptions and severities.'
        )
    return [
        Grid(
            run.name,
            run.metric,
            run.results['P'],
            table,
            shown,
            counted,
            _known(run.results.get('clean_per_class')),
            {cell: _known(entry.get('per_class')) for cell, entry in _entries(run.results)},
            suite,
        )
        for run, table in zip(runs, values, strict=True)
    ]


def said(results: Mapping[str, Any], key: str) -> Any:
    """What a run says of itself, None where nothing; a seed of None is said, that of pictures which others corrupted."""
    value = results.get(key)
    return (
        'none, published pictures' if value is None and key == 'seed' and key in results else value
    )


def refuse_different(runs: Sequence[Run]) -> None:
    """Allow a comparison only where data, suite, metric, seed (and baseline) agree; what a run does not say counts as equal.

    Raises:
        ValueError: naming the runs and what differs.
    """
    found = []
    for key, what in SAME.items():
        groups: dict[Any, list[Run]] = {}
        for run in runs:
            value = said(run.results or {}, key)
            if value is not None:
                groups.setdefault(value, []).append(run)
        if len(groups) > 1:
            sides = '; '.join(f'{value} in {_names(members)}' for value, members in groups.items())
            found.append(f'{what} ({sides})')
    if found:
        raise ValueError(
            f'the runs differ in {" and in ".join(found)}; compare runs of one data set, suite, metric and seed.'
        )


def is_percent(grids: Iterable[Grid]) -> bool:
    """Whether the metric is in per cent, not a fraction."""
    return any(value > 1 for grid in grids for value in (grid.clean, *grid.values.values()))


def say_missing(grids: Sequence[Grid], partial: bool = False) -> str:
    """One or two sentences on the cells that are not there, or ''."""
    short = [grid for grid in grids if grid.missing]
    if not short:
        return ''
    whole, counted = len(short[0].shown), len(short[0].counted)
    if partial:
        return f'Partial: means are over the {counted} of {whole} cells that every run has.'
    lacks = '; '.join(f'{grid.name} lacks {_some(grid.missing)}' for grid in short)
    return f'Not every cell is there, so no mean is given over them: {lacks}.'


def _some(cells: Sequence[Cell]) -> str:
    named = ', '.join(f'{cell.corruption.replace("_", " ")} {cell.severity}' for cell in cells[:3])
    return named + (f' and {len(cells) - 3} more' if len(cells) > 3 else '')


def _names(runs: Sequence[Run]) -> str:
    return ', '.join(f"'{run.label}'" for run in runs)


def _entries(results: Mapping[str, Any]) -> Iterable[tuple[Cell, Mapping[str, Any]]]:
    return ((Cell(entry['corruption'], entry['severity']), entry) for entry in results['cells'])


def _values(results: Mapping[str, Any]) -> dict[Cell, float]:
    return _known({cell: entry.get(results['metric']) for cell, entry in _entries(results)})


def _known(values: Mapping | None) -> dict:
    return {key: value for key, value in (values or {}).items() if value is not None}
