"""P, mPC, rPC, R_C and mCE from the cells of one evaluation; an absent cell is never a zero."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import fmean
from typing import Any

from .baselines import Baseline, CorruptionErrors
from .suites import CLEAN, Cell, suite_of


@dataclass(frozen=True)
class Summary:
    """What one evaluation says; every number in the unit of its metric, ratios in units of P.

    Attributes:
        P: clean performance.
        mPC: mean over the benchmark corruptions and severities asked for (arXiv 1907.07484).
        rPC: mPC / P, the ratio of the means; None where P is 0.
        R_C: mean over all cells asked for, extra corruptions too, / P (arXiv 2306.14306).
        per_corruption, per_severity: means over one row or column of the table.
        note: what is missing and why, or ''.
        per_class: class -> its P, mPC and rPC.
        mCE: mean corruption error against `baseline` in per cent, 100 for the baseline itself
            (arXiv 1903.12261).
        relative_mCE: the same of the errors that corruptions add to the clean one.
    """

    P: float
    mPC: float | None
    rPC: float | None
    R_C: float | None
    per_corruption: dict[str, float | None] = field(default_factory=dict)
    per_severity: dict[str, float | None] = field(default_factory=dict)
    note: str = ''
    per_class: dict[str, dict[str, float | None]] = field(default_factory=dict)
    mCE: float | None = None
    relative_mCE: float | None = None
    baseline: str | None = None

    def to_dict(self) -> dict:
        """Plain JSON types."""
        return asdict(self)


def summarize(
    clean: float,
    values: Mapping[Cell, float],
    cells: Sequence[Cell],
    partial: bool = False,
    *,
    baseline: Baseline | None = None,
    run: Mapping[str, Any] | None = None,
    clean_per_class: Mapping[str, float] | None = None,
    per_class: Mapping[Cell, Mapping[str, float]] | None = None,
) -> Summary:
    """Means over the table of `cells`.

    Args:
        clean: P, unrounded.
        values: the unrounded metric of every finished cell; others than `cells` are left out.
        cells: what the table is to hold.
        partial: take means over what is there, and say so; otherwise a mean that misses a cell is
            None. Corruption errors are never of a part.
        baseline: for mCE; see `baselines.get_baseline`.
        run: the table's `suite`, which says what mPC is over, and its `metric`, `seed` and `data`;
            a baseline must agree with them.
        clean_per_class, per_class: class -> value, on clean images and in every finished cell.
    Raises:
        ValueError: a value that is no finite number, or no cell asked for.
    """
    if not cells:
        raise ValueError('no cell was asked for; give at least one corruption and one severity.')
    there = {cell: values[cell] for cell in cells if cell in values}
    for cell, value in [(CLEAN, clean), *there.items()]:
        if value is None or not math.isfinite(value):
            raise ValueError(
                f'the metric of {cell.corruption} {cell.severity} is {value}, not a '
                'number; look at its evaluation.'
            )

    suite = suite_of(run or {})
    benchmark = [cell for cell in cells if cell.corruption in suite.corruptions]
    mpc = _mean(benchmark, there, partial)
    classes = clean_per_class or {}
    by_class = {}
    for name, value in classes.items():
        if _number(value):
            numbers = {cell: row.get(name) for cell, row in (per_class or {}).items()}
            found = {cell: number for cell, number in numbers.items() if _number(number)}
            by_class[name] = _class(value, found, benchmark, partial)
    errors = CorruptionErrors()
    if baseline is not None:
        facts = {**(run or {}), **({'classes': len(classes)} if classes else {})}
        errors = baseline.compare(clean, there, benchmark, facts)
    rows: dict[str, list[Cell]] = {}
    columns: dict[int, list[Cell]] = {}
    for cell in cells:
        rows.setdefault(cell.corruption, []).append(cell)
        columns.setdefault(cell.severity, []).append(cell)
    return Summary(
        P=clean,
        mPC=mpc,
        rPC=ratio(mpc, clean),
        R_C=ratio(_mean(cells, there, partial), clean),
        per_corruption={name: _mean(row, there, partial) for name, row in rows.items()},
        per_severity={
            str(level): _mean(columns[level], there, partial) for level in sorted(columns)
        },
        note=' '.join(filter(None, (_note(len(cells), len(there), partial), errors.note))),
        per_class=by_class,
        mCE=errors.mCE,
        relative_mCE=errors.relative_mCE,
        baseline=baseline and baseline.name,
    )


def conditions(results: Mapping[str, Any], kinds: int, severities: Sequence[int]) -> str:
    """What a mean over cells depends on beside network and data, in words.

    Two means may stand in one column where the words are equal: 'imagenet-c, 15 of 19 corruptions,
    severity 1, 3, seed 0'; for the seed, 'published images' where nobody knows it.

    Args:
        results: what results.json holds, or a record that was made of it.
        kinds: corruptions that the mean is over.
        severities: those that it is over.
    """
    suite = suite_of(results)
    # a record of an experiment has the seed of its training there; its images are of seed 0
    seed = results.get('seed') if 'stored' in results else 0
    return f'{suite.name}, {suite.share(kinds)}, severity {", ".join(map(str, severities))}, ' + (
        'published images' if seed is None else f'seed {seed}'
    )


def ratio(value: float | None, clean: float) -> float | None:
    """What is left of the clean value (R_C, R_V2 of ImageNet-V2, rPC); None of nothing clean."""
    return None if value is None or clean == 0 else value / clean


def _mean(part: Sequence[Cell], there: Mapping[Cell, float], partial: bool) -> float | None:
    found = [there[cell] for cell in part if cell in there]
    return fmean(found) if found and (partial or len(found) == len(part)) else None


def _number(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _class(
    clean: float, values: Mapping[Cell, float], cells: Sequence[Cell], partial: bool
) -> dict[str, float | None]:
    mpc = _mean(cells, values, partial)
    return dict(P=clean, mPC=mpc, rPC=ratio(mpc, clean))


def _note(asked: int, there: int, partial: bool) -> str:
    if asked == there:
        return ''
    if partial:
        return f'means over {there} of {asked} cells; {asked - there} are missing.'
    return f'{asked - there} of {asked} cells are missing, so no mean is given over them.'
