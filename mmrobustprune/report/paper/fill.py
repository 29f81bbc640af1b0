"""One function that fills any table of a paper with recorded runs."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from glob import escape
from itertools import product
from typing import Any

from mmrobustprune.report.tables.cards import Cell

from .facts import fits
from .layout import ROBUST, Column, Derived, Row, Table
from .observe import Observation

ROBUST_DEFAULT = 'autoattack@8/255'


@dataclass(frozen=True)
class Filled:
    """A table with its numbers: `cells` by (number of the row, name of the column), the column's keys in order.

    Attributes:
        rows: with the facts of their runs in their labels.
        best: the (row, column) whose number is the best of those it competes with.
        under: name of a column -> what its numbers depend on.
        left: labels of the runs that no cell has, with what is known of them.
    """

    table: Table
    rows: tuple[Row, ...]
    cells: Mapping[tuple[int, str], tuple[Cell | None, ...]]
    best: frozenset[tuple[int, str]]
    under: Mapping[str, tuple[str, ...]]
    left: Mapping[str, str]


def fill(table: Table, runs: Sequence[Observation], robust: str = ROBUST_DEFAULT) -> Filled:
    """The table with every run that fits; a cell without one is None.

    A run fits a cell where its facts hold what table, row and column ask for (`facts.fits`). Facts are read from the config in
    its work dir or from its record (`facts.facts_of`): name of the config, network, data, recipe, target, score, rules,
    warm-up, host, gamma, and so on. Several runs of a cell are repeats: they must have the same facts but for the seed, and
    give mean and sample standard deviation; one run gives no deviation. The evaluation is matched by name too: a column is of
    one suite (`imagenet-c`), one variant of ImageNet-V2, or one attack with its radius, and on one data set all its numbers
    and those it is compared with must have been taken alike.

    Args:
        robust: the attack and radius that a paper's robust accuracy stands for, as in the keys of `numbers.attacked`.
    Raises:
        ValueError: two runs fit one cell that are no repeats, a column would mix evaluations, or no run fits any cell.
    """
    rows = tuple(one for row in table.rows for one in _expand(row, table, runs))
    columns = [column for column in table.columns if isinstance(column, Column)]
    cells: dict[tuple[int, str], tuple[Cell | None, ...]] = {}
    found: dict[str, list[tuple[str, Observation]]] = {
        column.name: [] for column in columns
    }  # all that is shown
    for (at, row), column in product(enumerate(rows), columns):
        keys = [key.replace(ROBUST, robust) for key in column.keys]
        fitting = [
            run
            for run in runs
            if fits(run.facts, {**table.where, **row.where, **column.where})
            and any(key in run.numbers for key in keys)
        ]
        _refuse_other_than_repeats(fitting, f"'{', '.join(row.labels)}' under '{column.name}'")
        cells[at, column.name] = tuple(
            _cell([run.numbers[key].value for run in fitting if key in run.numbers]) for key in keys
        )
        found[column.name] += [(key, run) for run in fitting for key in keys if key in run.numbers]
    rivals: dict[
        str, list[tuple[str, Observation]]
    ] = {}  # what is compared: columns of one duel, else a column
    for column in columns:
        if column.same:
            rivals.setdefault(column.duel or column.name, []).extend(found[column.name])
    for name, numbers in rivals.items():
        _refuse_mixed(name, numbers)
    used = {run.label for numbers in found.values() for _, run in numbers}
    if runs and not used:
        known = '; '.join(f'{run.label} ({_known(run)})' for run in runs[:4])
        raise ValueError(
            f"no run fits a cell of '{table.title}': {known}; give runs of its configs, or choose another table "
            '(--table list).'
        )
    if not table.whole:
        table = replace(table, columns=tuple(column for column in columns if found[column.name]))
    return Filled(
        table,
        rows,
        cells,
        frozenset(_best(table, rows, cells)),
        {
            name: tuple(
                dict.fromkeys(
                    run.numbers[key].under for key, run in numbers if run.numbers[key].under
                )
            )
            for name, numbers in found.items()
        },
        {run.label: _known(run) for run in runs if run.label not in used},
    )


def derived(
    column: Derived, filled: Filled, at: int
) -> tuple[Sequence[Cell], Sequence[Cell]] | None:
    """The two cells that a derived column is of, in one row; None where either lacks a number."""
    pair = tuple(filled.cells[at, name] for name in column.of)
    return None if any(cell is None for cells in pair for cell in cells) else pair


def _expand(row: Row, table: Table, runs: Sequence[Observation]) -> list[Row]:
    """One row per value of the fact `each`; the row with '-' in its place where there is none."""
    if not row.each:
        return [row]
    values = list(
        dict.fromkeys(
            run.facts.get(row.each) for run in runs if fits(run.facts, {**table.where, **row.where})
        )
    )
    values = [value for value in values if value is not None]
    if values and all(isinstance(value, float) for value in values):
        values.sort()
    return [
        replace(
            row,
            labels=tuple(label.replace('{' + row.each + '}', _show(value)) for label in row.labels),
            where={**row.where, row.each: escape(value) if isinstance(value, str) else value},
        )
        for value in values
    ] or [
        replace(row, labels=tuple(label.replace('{' + row.each + '}', '-') for label in row.labels))
    ]


def _cell(values: Sequence[float]) -> Cell | None:
    if not values:
        return None
    return Cell(
        statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None, len(values)
    )


def _best(
    table: Table, rows: Sequence[Row], cells: Mapping[tuple[int, str], tuple[Cell | None, ...]]
) -> set[tuple[int, str]]:
    """Of cells that compete, those with the best number as printed, where at least two have one."""
    rivals: dict[tuple, dict[tuple[int, str], float]] = {}
    way: dict[tuple, str] = {}
    for at, row in enumerate(rows):
        for column in table.columns:
            if (
                not isinstance(column, Column)
                or not column.better
                or not (column.duel or row.block)
            ):
                continue
            cell = cells[at, column.name][-1]
            key = ('row', at, column.duel) if column.duel else ('column', row.block, column.name)
            way[key] = column.better
            if cell is not None:
                rivals.setdefault(key, {})[at, column.name] = float(
                    format(cell.mean, column.form).replace(',', '')
                )
    return {
        place
        for key, found in rivals.items()
        if len(found) > 1
        for place, value in found.items()
        if value == (max if way[key] == 'high' else min)(found.values())
    }


def _refuse_other_than_repeats(runs: Sequence[Observation], where: str) -> None:
    for run in runs[1:]:
        first = runs[0]
        differ = [
            name
            for name in sorted({*first.facts, *run.facts} - {'seed', 'name'})
            if first.facts.get(name) != run.facts.get(name)
        ]
        if differ:
            sides = ', '.join(
                f'{name} {first.facts.get(name)!r} and {run.facts.get(name)!r}'
                for name in differ[:3]
            )
            raise ValueError(
                f'{first.label} and {run.label} both fit {where} and are no repeats ({sides}); give one of them.'
            )
    seeds = [run.facts.get('seed') for run in runs]
    for run, seed in zip(runs, seeds, strict=True):
        if seeds.count(seed) > 1:
            others = [one.label for one in runs if one.facts.get('seed') == seed and one is not run]
            raise ValueError(
                f'{run.label} and {others[0]} both fit {where} with seed {seed}; give one of them.'
            )


def _refuse_mixed(what: str, numbers: Sequence[tuple[str, Observation]]) -> None:
    seen: dict[tuple, Observation] = {}
    for key, run in numbers:
        if run.numbers[key].under is None:
            continue
        first = seen.setdefault((key, run.facts.get('data')), run)
        ways = [one.numbers[key].under or 'all pictures' for one in (first, run)]
        if ways[0] != ways[1]:
            raise ValueError(
                f"'{what}' would mix {key} of {first.label} ({ways[0]}) and of {run.label} ({ways[1]}); "
                'evaluate the runs alike.'
            )


def _known(run: Observation) -> str:
    shown = ('config', 'method', 'target', 'search', 'score', 'rule', 'warmup', 'name', 'seed')
    return ', '.join(
        f'{name} {_show(run.facts[name])}'
        for name in shown
        if run.facts.get(name) not in (None, '')
    )


def _show(value: Any) -> str:
    return f'{value:g}' if isinstance(value, float) else str(value)
