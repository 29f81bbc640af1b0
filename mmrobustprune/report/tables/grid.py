"""The cells of runs as tables side by side: what is there, missing, and may be compared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product, starmap
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
class CellTable:
    """One run's metric, clean and by cell; a cell that is not in `values` is missing, never zero.

    Attributes:
        shown: the cells that any of the compared runs asked for.
        counted: the cells that means are over.
        percent: whether all of it is in per cent, not a fraction.
        classes: class -> its clean value; by_class: cell -> class -> value.
    """

    name: str
    metric: str
    clean: float
    values: Mapping[Cell, float]
    shown: tuple[Cell, ...]
    counted: tuple[Cell, ...]
    percent: bool = False
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
        """P, mPC, rPC, R_C and means over rows and columns; None where a cell is missing."""
        return summarize(self.clean, self.values, self.counted, run=dict(suite=self.suite.name))

    def mean(self, corruption: str | None = None, severity: int | None = None) -> float | None:
        """The mean over a row, a column, or all; None where one of its cells is missing.

        A column's and that of all is over the benchmark corruptions, as mPC is.
        """
        kinds = (corruption,) if corruption else self.suite.corruptions
        cells = [cell for cell in self.counted if cell.corruption in kinds]
        if severity is not None:
            cells = [cell for cell in cells if cell.severity == severity]
        if not cells or any(cell not in self.values for cell in cells):
            return None
        return fmean(self.values[cell] for cell in cells)

    def class_means(self) -> dict[str, float]:
        """Class -> mPC of that class, where every counted benchmark cell has a value for it."""
        cells = [cell for cell in self.counted if cell.corruption in self.suite.corruptions]
        tables = [self.by_class.get(cell, {}) for cell in cells]
        found = {}
        for name in self.classes:
            values = [table[name] for table in tables if name in table]
            if values and len(values) == len(tables):
                found[name] = fmean(values)
        return found


def grids(runs: Iterable[Run], partial: bool = False) -> list[CellTable]:
    """The tables of the runs that were evaluated, in order, over the same cells.

    Args:
        runs: any; those without results are left out.
        partial: take means over the cells that every run has; otherwise a mean that misses a cell
            is None.

    Raises:
        ValueError: the runs may not be compared, or have no cell in common.
    """
    runs = [run for run in runs if run.results]
    if not runs:
        return []
    refuse_different(runs)
    asked: set[Cell] = set()
    for run in runs:
        asked.update(starmap(Cell, product(run.results['corruptions'], run.results['severities'])))
    suite = suite_of(runs[0].results)
    shown = _in_order(asked, suite)
    values = [_values(run.results) for run in runs]
    counted = shown
    if partial:
        common = set.intersection(*(set(table) for table in values))
        counted = tuple(cell for cell in shown if cell in common)
    if not counted:
        raise ValueError(
            f'{_names(runs)} have no cell in common; '
            'evaluate them on the same corruptions and severities.'
        )
    found = []
    for run, table in zip(runs, values, strict=True):
        by_class = {cell: _known(entry.get('per_class')) for cell, entry in _entries(run.results)}
        classes = _known(run.results.get('clean_per_class'))
        named = (run.name, run.metric, run.results['P'], table, shown, counted, run.percent)
        found.append(CellTable(*named, classes, by_class, suite))
    return found


def said(results: Mapping[str, Any], key: str) -> Any:
    """What a run says of itself, None where nothing.

    A seed of None says something: the images were corrupted by others.
    """
    value = results.get(key)
    if value is None and key == 'seed' and key in results:
        return 'none, published images'
    return value


def refuse_different(runs: Sequence[Run]) -> None:
    """Allow a comparison only where data, suite, metric, seed (and baseline) agree.

    What a run does not say counts as equal.

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
            f'the runs differ in {" and in ".join(found)}; '
            'compare runs of one data set, suite, metric and seed.'
        )


def is_percent(grids: Iterable[CellTable]) -> bool:
    """Whether the metric is in per cent, not a fraction."""
    return any(grid.percent for grid in grids)


def say_missing(grids: Sequence[CellTable], partial: bool = False) -> str:
    """One or two sentences on the cells that are not there, or ''."""
    short = [grid for grid in grids if grid.missing]
    if not short:
        return ''
    if partial:
        shown = len(short[0].shown)
        counted = len(short[0].counted)
        return f'Partial: means are over the {counted} of {shown} cells that every run has.'
    lacks = '; '.join(f'{grid.name} lacks {_some(grid.missing)}' for grid in short)
    return f'Not every cell is there, so no mean is given over them: {lacks}.'


def _in_order(cells: Iterable[Cell], suite: Suite) -> tuple[Cell, ...]:
    """Cells in the order of the suite, unknown corruptions last."""
    order = {name: at for at, name in enumerate(suite.all)}

    def place(cell: Cell) -> tuple[int, str, int]:
        return order.get(cell.corruption, len(order)), cell.corruption, cell.severity

    return tuple(sorted(cells, key=place))


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
