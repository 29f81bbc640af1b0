"""Why a run has no place in a table: the field that keeps it from the row it is nearest to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

from .facts import fits
from .layout import Row, Table, TableColumn, Where
from .observe import Observation


def why_not(run: Observation, table: Table) -> str:
    """What the nearest row wants of the run that it is not: 'has target 0.7 where ... wants 0.8'.

    The nearest is one of the run's method, if there is one, and asks for least else.

    Args:
        run: which no cell of the table has.
        table: as it is declared.
    """
    row, differ = min(_wanted(run, table), key=lambda found: ('method' in found[1], len(found[1])))
    if not differ:
        return 'has none of the numbers of its row'
    name, wanted = next(iter(differ.items()))
    given = show(run.facts[name]) if name in run.facts else 'nothing'
    return f"has {name} {given} where '{', '.join(row.labels)}' wants {_words(wanted)}"


def show(value: Any) -> str:
    """A fact as it is printed."""
    return f'{value:g}' if isinstance(value, float) else str(value)


def _wanted(run: Observation, table: Table) -> Iterator[tuple[Row, Where]]:
    """Every row, with what it and each of its columns ask for and the run is not."""
    wheres = {str(one.where): one.where for one in table.columns if isinstance(one, TableColumn)}
    for row, where in product(table.rows, wheres.values()):
        yield row, _misfits(run.facts, {**table.where, **row.where, **where})


def _misfits(facts: Mapping[str, Any], where: Where) -> dict[str, Any]:
    return {name: wanted for name, wanted in where.items() if not fits(facts, {name: wanted})}


def _words(wanted: Any) -> str:
    if isinstance(wanted, tuple):
        return ' or '.join(map(_words, wanted))
    return show(wanted) or 'none'
