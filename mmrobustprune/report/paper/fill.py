"""One function that fills any table of a paper with recorded runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from glob import escape
from itertools import chain, product

from mmrobustprune.report.tables.cards import Average, average

from .alike import unequal
from .citations import Cited, with_cited
from .facts import fits, unlike
from .layout import ROBUST, Derived, Row, Table, TableColumn
from .misfit import show, why_not
from .numbers import Number
from .observe import Observation

ROBUST_DEFAULT = 'autoattack@8/255'
Cells = dict[tuple[int, str], tuple[Average | None, ...]]
Shown = tuple[str, Observation]  # a key, and the run whose number stands under it


@dataclass(frozen=True)
class Filled:
    """A table with its numbers.

    Attributes:
        cells: (number of the row, name of the column) -> a number for each of the column's keys.
        rows: with the facts of their runs in their labels, and those that are cited.
        best: the (row, column) whose number is the best of those it competes with.
        under: name of a column -> what its numbers depend on.
        left: labels of the runs that no cell has, with why.
        cited: labels of the rows whose numbers were not measured here.
        unfair: what the runs of a block should share and do not.
        lacks: labels of the runs with cells that are missing, with which.
    """

    table: Table
    rows: tuple[Row, ...]
    cells: Cells
    best: frozenset[tuple[int, str]]
    under: Mapping[str, tuple[str, ...]]
    left: Mapping[str, str]
    cited: tuple[str, ...] = ()
    unfair: tuple[str, ...] = ()
    lacks: Mapping[str, str] = field(default_factory=dict)


def fill(
    table: Table,
    runs: Sequence[Observation],
    robust: str = ROBUST_DEFAULT,
    cited: Sequence[Cited] = (),
) -> Filled:
    """The table with every run that fits; a cell without one is None.

    A run fits a cell where its facts hold what table, row and column ask for (`facts.fits`). Facts
    are read from the config in its work dir or from its record (`facts.facts_of`): name of the
    config, network, data, recipe, target, score, rules, warm-up, host, gamma, and so on. Several
    runs of a cell are repeats: they must have the same facts but for the seed, and give mean and
    sample standard deviation; one run gives no deviation. The evaluation is matched by name too: a
    column is of one suite (`imagenet-c`), one variant of ImageNet-V2, or one attack with its
    radius, and on one data set all its numbers and those it is compared with must have been taken
    alike.

    Args:
        table: the empty table.
        runs: to fill it with.
        robust: the attack and radius that a paper's robust accuracy stands for, as in the keys of
            `numbers.attacked`.
        cited: rows of numbers that were not measured here (`citations.read_cited`); they compete
            with those of their block.

    Raises:
        ValueError: two runs fit one cell that are no repeats, a column would mix evaluations, no
            run fits any cell, or a row is both run and cited.
    """
    rows = tuple(chain.from_iterable(_expand(row, table, runs) for row in table.rows))
    columns = [column for column in table.columns if isinstance(column, TableColumn)]
    cells: Cells = {}
    found: dict[str, list[Shown]] = {column.name: [] for column in columns}
    inside: dict[int, list[Observation]] = {}
    for (at, row), column in product(enumerate(rows), columns):
        keys = [key.replace(ROBUST, robust) for key in column.keys]
        where = {**table.where, **row.where, **column.where}
        fitting = [_knowing(run, row.known) for run in runs if fits(run.facts, where)]
        fitting = [run for run in fitting if _has_any(run, keys)]
        _refuse_other_than_repeats(fitting, f"'{', '.join(row.labels)}' under '{column.name}'")
        inside.setdefault(at, []).extend(fitting)
        cells[at, column.name] = tuple(average(_values(fitting, key)) for key in keys)
        for run, key in product(fitting, keys):
            if key in run.numbers:
                found[column.name].append((key, run))
    _refuse_mixed_columns(columns, found)
    used = {run.label for _, run in chain.from_iterable(found.values())}
    if runs and not used:
        reasons = '; '.join(
            f'{run.label} ({_known(run)}) {why_not(run, table)}' for run in runs[:4]
        )
        raise ValueError(
            f"no run fits a cell of '{table.title}': {reasons}; give runs of its configs, "
            'or choose another table (--table list).'
        )
    unfair = unequal(table, rows, inside)
    rows, cells, placed = with_cited(table, rows, cells, cited)
    if not table.whole:
        table = replace(table, columns=tuple(column for column in columns if found[column.name]))
    return Filled(
        table,
        rows,
        cells,
        frozenset(_best(table, rows, cells)),
        {name: _depends_on(numbers) for name, numbers in found.items()},
        {
            run.label: f'{_known(run)}: {why_not(run, table)}'
            for run in runs
            if run.label not in used
        },
        placed,
        unfair,
        {run.label: '; '.join(run.lacks) for run in runs if run.lacks},
    )


def derived(
    column: Derived, filled: Filled, at: int
) -> tuple[Sequence[Average], Sequence[Average]] | None:
    """The two cells that a derived column is of, in one row; None where either lacks a number."""
    original, ours = (filled.cells[at, name] for name in column.of)
    return None if None in (*original, *ours) else (original, ours)


def _expand(row: Row, table: Table, runs: Sequence[Observation]) -> list[Row]:
    """One row per value of the fact `each`; the row with '-' in its place where there is none."""
    if not row.each:
        return [row]
    where = {**table.where, **row.where}
    found = dict.fromkeys(run.facts.get(row.each) for run in runs if fits(run.facts, where))
    values = [value for value in found if value is not None]
    if not values:
        return [replace(row, labels=_labels(row, '-'))]
    if all(isinstance(value, float) for value in values):
        values.sort()
    rows = []
    for value in values:
        exactly = escape(value) if isinstance(value, str) else value
        where = {**row.where, row.each: exactly}
        block = row.block.replace('{' + row.each + '}', show(value))
        rows.append(replace(row, labels=_labels(row, show(value)), where=where, block=block))
    return rows


def _knowing(run: Observation, known: Mapping[str, float]) -> Observation:
    """A run with what is true of it by definition, where it has no number of its own."""
    given = {key: Number(value, None) for key, value in known.items()}
    return replace(run, numbers={**given, **run.numbers}) if known else run


def _labels(row: Row, text: str) -> tuple[str, ...]:
    """The row's labels with the text in the place of the fact `each`."""
    return tuple(label.replace('{' + row.each + '}', text) for label in row.labels)


def _values(runs: Sequence[Observation], key: str) -> list[float]:
    return [run.numbers[key].value for run in runs if key in run.numbers]


def _has_any(run: Observation, keys: Sequence[str]) -> bool:
    return not run.numbers.keys().isdisjoint(keys)


def _depends_on(numbers: Sequence[Shown]) -> tuple[str, ...]:
    """What numbers depend on, each once."""
    unders = [run.numbers[key].under for key, run in numbers]
    return tuple(dict.fromkeys(filter(None, unders)))


def _best(table: Table, rows: Sequence[Row], cells: Cells) -> set[tuple[int, str]]:
    """Of cells that compete, those with the best number as printed, where at least two have one."""
    rivals: dict[tuple, dict[tuple[int, str], float]] = {}
    best_of: dict[tuple, Callable] = {}
    columns = [one for one in table.columns if isinstance(one, TableColumn) and one.better]
    for (at, row), column in product(enumerate(rows), columns):
        cell = cells[at, column.name][-1]
        if cell is None or not (column.duel or row.block):
            continue
        key = ('row', at, column.duel) if column.duel else ('column', row.block, column.name)
        best_of[key] = max if column.better == 'high' else min
        printed = format(cell.mean, column.form).replace(',', '')
        rivals.setdefault(key, {})[at, column.name] = float(printed)
    winners: set[tuple[int, str]] = set()
    for key, found in rivals.items():
        best = best_of[key](found.values())
        if len(found) > 1:
            winners.update(place for place, value in found.items() if value == best)
    return winners


def _refuse_other_than_repeats(runs: Sequence[Observation], where: str) -> None:
    for run in runs[1:]:
        first = runs[0]
        differ = unlike(first.facts, run.facts)
        if differ:
            sides = ', '.join(
                f'{name} {first.facts.get(name)!r} and {run.facts.get(name)!r}'
                for name in differ[:3]
            )
            raise ValueError(
                f'{first.label} and {run.label} both fit {where} and are no repeats ({sides}); '
                'give one of them.'
            )
    seeds = [run.facts.get('seed') for run in runs]
    for run, seed in zip(runs, seeds, strict=True):
        if seeds.count(seed) > 1:
            others = [one.label for one in runs if one.facts.get('seed') == seed and one is not run]
            raise ValueError(
                f'{run.label} and {others[0]} both fit {where} with seed {seed}; give one of them.'
            )


def _refuse_mixed_columns(
    columns: Sequence[TableColumn], found: Mapping[str, Sequence[Shown]]
) -> None:
    """Columns of one duel are compared, and the rows of any other column."""
    rivals: dict[str, list[Shown]] = {}
    for column in columns:
        if column.same:
            rivals.setdefault(column.duel or column.name, []).extend(found[column.name])
    for name, numbers in rivals.items():
        _refuse_mixed(name, numbers)


def _refuse_mixed(what: str, numbers: Sequence[Shown]) -> None:
    seen: dict[tuple, Observation] = {}
    for key, run in numbers:
        if run.numbers[key].under is None:
            continue
        first = seen.setdefault((key, run.facts.get('data')), run)
        ways = [one.numbers[key].under or 'all images' for one in (first, run)]
        if ways[0] != ways[1]:
            raise ValueError(
                f"'{what}' would mix {key} of {first.label} ({ways[0]}) "
                f'and of {run.label} ({ways[1]}); evaluate the runs alike.'
            )


def _known(run: Observation) -> str:
    names = ('config', 'method', 'target', 'search', 'score', 'rule', 'warmup', 'name', 'seed')
    known = [name for name in names if run.facts.get(name) not in (None, '')]
    return ', '.join(f'{name} {show(run.facts[name])}' for name in known)
