"""P, mPC, rPC and R_C from the cells of one evaluation; an absent cell is never a zero."""
from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import fmean

from .suites import BENCHMARK, Cell


@dataclass(frozen=True)
class Summary:
    """What one evaluation says; every number in the unit of its metric, ratios in units of P.

    Attributes:
        P: clean performance.
        mPC: mean over the benchmark corruptions and severities asked for (arXiv 1907.07484).
        rPC: mPC / P, the ratio of the means; None where P is 0.
        R_C: mean over all cells asked for, extra corruptions too, / P (arXiv 2306.14306).
        per_corruption, per_severity: means over one row or column of the table.
        note: one sentence about what is missing, or ''.
    """
    P: float
    mPC: float | None
    rPC: float | None
    R_C: float | None
    per_corruption: dict[str, float | None] = field(default_factory=dict)
    per_severity: dict[str, float | None] = field(default_factory=dict)
    note: str = ''

    def to_dict(self) -> dict:
        """Plain JSON types."""
        return asdict(self)


def summarize(clean: float, values: Mapping[Cell, float], cells: Sequence[Cell],
              partial: bool = False) -> Summary:
    """Means over the table of `cells`.

    Args:
        clean: P, unrounded.
        values: the unrounded metric of every finished cell; others than `cells` are left out.
        cells: what the table is to hold.
        partial: take means over what is there, and say so; otherwise a mean that misses a cell is
            None.
    Raises:
        ValueError: a value that is no finite number, or no cell asked for.
    """
    if not cells:
        raise ValueError('no cell was asked for; give at least one corruption and one severity.')
    there = {cell: values[cell] for cell in cells if cell in values}
    for cell, value in [(Cell('clean', 0), clean), *there.items()]:
        if value is None or not math.isfinite(value):
            raise ValueError(f'the metric of {cell.corruption} {cell.severity} is {value}, not a '
                             'number; look at its evaluation.')

    def mean(part: Sequence[Cell]) -> float | None:
        found = [there[cell] for cell in part if cell in there]
        return fmean(found) if found and (partial or len(found) == len(part)) else None

    mpc = mean([cell for cell in cells if cell.corruption in BENCHMARK])
    return Summary(
        P=clean, mPC=mpc, rPC=_ratio(mpc, clean), R_C=_ratio(mean(cells), clean),
        per_corruption={name: mean([cell for cell in cells if cell.corruption == name])
                        for name in dict.fromkeys(cell.corruption for cell in cells)},
        per_severity={str(level): mean([cell for cell in cells if cell.severity == level])
                      for level in sorted({cell.severity for cell in cells})},
        note=_note(len(cells), len(there), partial))


def _ratio(value: float | None, clean: float) -> float | None:
    return None if value is None or clean == 0 else value / clean


def _note(asked: int, there: int, partial: bool) -> str:
    if asked == there:
        return ''
    if partial:
        return f'means over {there} of {asked} cells; {asked - there} are missing.'
    return f'{asked - there} of {asked} cells are missing, so no mean is given over them.'
