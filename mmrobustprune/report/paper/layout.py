"""What a table of a paper is: data only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mmrobustprune.report.tables.cards import Average
from mmrobustprune.report.tables.gap import Gap, gap

Where = Mapping[str, Any]
ROBUST = '{robust}'  # in a key: the attack that is chosen when the table is filled


@dataclass(frozen=True)
class TableColumn:
    """Numbers of the runs that fit the row and the column.

    Attributes:
        keys: of the numbers, printed as `a/b`; the last one's spread is printed and decides which
            cell is best.
        where: what identifies the column's runs beside the row's.
        group: printed before the title, and what `Derived` columns call it by, as 'group title'.
        better: 'high', 'low' or ''; the best is bold.
        duel: columns of one name compete within a row; without it rows of one block compete within
            the column.
        same: refuse numbers that were taken differently.
    """

    title: str
    keys: tuple[str, ...]
    where: Where = field(default_factory=dict)
    group: str = ''
    form: str = '.2f'
    better: str = ''
    duel: str = ''
    same: bool = True

    @property
    def name(self) -> str:
        return f'{self.group} {self.title}'.strip()


@dataclass(frozen=True)
class Derived:
    """What follows from two other columns' cells of the same row.

    Attributes:
        of: their names, the original first.
        text: (original, ours), each the column's keys in order -> what is printed.
        values: name of a CSV column -> the same arguments to a number.
    """

    title: str
    of: tuple[str, str]
    text: Callable[[Sequence[Average], Sequence[Average]], str]
    values: Mapping[str, Callable[[Sequence[Average], Sequence[Average]], float | None]]
    group: str = ''

    @property
    def name(self) -> str:
        return f'{self.group} {self.title}'.strip()


@dataclass(frozen=True)
class Row:
    """One line, or one per value of a fact.

    Attributes:
        labels: as many as the table's heads; '{target}' and the like are facts of the row's runs.
        where: what identifies its runs.
        each: a fact; the row is repeated for each value that a fitting run has.
        block: rows of one block compete; '' competes with none. The fact `each` may stand in it.
        known: key -> what is true of its runs by definition, where they have no number of their own
            (a dense network is as large as itself).
    """

    labels: tuple[str, ...]
    where: Where = field(default_factory=dict)
    each: str = ''
    block: str = ''
    known: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Table:
    """A table of a paper.

    Attributes:
        where: holds for every cell.
        whole: keep columns that no run has.
        alike: keys of numbers that the runs of a block should share; where they do not, the table
            says so.
    """

    title: str
    heads: tuple[str, ...]
    columns: tuple[TableColumn | Derived, ...]
    rows: tuple[Row, ...]
    where: Where = field(default_factory=dict)
    note: str = ''
    whole: bool = True
    alike: tuple[str, ...] = ()


def delta(group: str = '', original: str = 'Orig.', ours: str = 'S2AP') -> Derived:
    """Delta = (clean - robust)_original - (clean - robust)_ours of two columns `clean/robust`.

    Both its terms are printed.
    """
    of = tuple(f'{group} {title}'.strip() for title in (original, ours))
    return Derived(
        'Δ (terms)',
        of,
        lambda a, b: _gap(a, b).text(),
        {
            'delta': lambda a, b: _gap(a, b).value,
            'clean': lambda a, b: 0.0 - _gap(a, b).clean_lost,  # never -0.0
            'robust': lambda a, b: _gap(a, b).robust_gained,
        },
        group,
    )


def overhead(original: str = 'Orig.', ours: str = 'S2AP') -> Derived:
    """100 (ours - original) / original, in per cent."""
    return Derived(
        'overhead (%)',
        (original, ours),
        lambda a, b: f'{_overhead(a, b):+.1f}',
        {'overhead': _overhead},
    )


def interval(title: str) -> Derived:
    """The 95 % interval of the mean of a column's runs, mean ± t(n - 1) s / sqrt(n)."""
    return Derived(
        f'{title} 95 %',
        (title, title),
        lambda a, _: '-' if a[-1].half_width() is None else f'± {a[-1].half_width():.2f}',
        {'half width': lambda a, _: a[-1].half_width()},
    )


def _gap(original: Sequence[Average], ours: Sequence[Average]) -> Gap:
    return gap((original[0].mean, original[1].mean), (ours[0].mean, ours[1].mean))


def _overhead(original: Sequence[Average], ours: Sequence[Average]) -> float:
    return 100 * (ours[0].mean / original[0].mean - 1)
