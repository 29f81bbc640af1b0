"""The margin between two models, corruption by corruption, with paired bootstrap intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from mmrobustprune.corruption.suites import Cell
from mmrobustprune.report.runs import Run

from .grid import CellTable, is_percent

MEAN = 'mean'


@dataclass(frozen=True)
class Margins:
    """How far `ours` is above `theirs`: corruption -> (difference, low, high), the mean at 'mean'.

    The mean is over the benchmark corruptions, as mPC is, over all where there is none of these,
    and not there where one of them is incomplete.
    Without evidence of every image `low` and `high` are None and `why` says so.
    """

    ours: str
    theirs: str
    metric: str
    percent: bool
    values: Mapping[str, tuple[float, float | None, float | None]]
    level: float = 0.95
    why: str = ''

    def note(self) -> str:
        """One sentence: what the bars and lines are."""
        ends = f'Lines: {self.level:.0%} intervals, paired bootstrap over the images.'
        if self.why:
            ends = f'No intervals: {self.why}.'
        return f'{self.ours} minus {self.theirs}; above zero {self.ours} is better. {ends}'


def margins(
    ours: Run,
    theirs: Run,
    pair: Sequence[CellTable],
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Margins:
    """The margins over the corruptions that both runs have in full.

    Args:
        ours, theirs: the runs.
        pair: the cells of `ours` and `theirs`, over the same corruptions and severities.
        draws, level, seed: of `corruption.bootstrap.paired_margin`; no draws, no intervals.

    Raises:
        ValueError: no corruption is complete in both, or the evidence beside a result gives
            another number.
    """
    plain = _differences(*pair)
    if not plain:
        raise ValueError(
            f"'{ours.label}' and '{theirs.label}' have no corruption in full; "
            'evaluate the missing cells.'
        )
    cells: dict[str, list[Cell]] = {name: [] for name in plain}
    for cell in pair[0].counted:
        if cell.corruption in cells:
            cells[cell.corruption].append(cell)
    over = _averaged(pair[0], plain)
    if over:
        plain[MEAN] = fmean(plain[name] for name in over)
    shared = dict(
        ours=ours.name,
        theirs=theirs.name,
        metric=ours.metric,
        percent=is_percent(pair),
        level=level,
    )
    absent = [run.name for run in (ours, theirs) if not _has_evidence(run, cells)]
    if absent or not draws:
        why = 'none were asked for'
        if absent:
            why = f'{" and ".join(dict.fromkeys(absent))} kept no evidence of every image'
        values = {name: (value, None, None) for name, value in plain.items()}
        return Margins(values=values, why=why, **shared)
    from mmrobustprune.corruption.bootstrap import paired_margin

    both = [_evidence(run, cells) for run in (ours, theirs)]
    found = paired_margin(*both, draws=draws, level=level, seed=seed, over=over)
    tolerance = 1e-4 if shared['percent'] else 1e-6  # mmpretrain's top-1 is in single precision
    for name, value in plain.items():
        if abs(found[name][0] - value) > tolerance:
            raise ValueError(
                f"the evidence of '{ours.label}' or '{theirs.label}' gives a margin of "
                f'{found[name][0]:.6g} on {name} and results.json {value:.6g}; evaluate both again.'
            )
    return Margins(values={name: found[name] for name in plain}, **shared)


def _differences(above: CellTable, below: CellTable) -> dict[str, float]:
    """Corruption -> difference of the means, of the corruptions that both have in full."""
    found = {}
    for name in above.corruptions:
        means = (above.mean(name), below.mean(name))
        if None not in means:
            found[name] = means[0] - means[1]
    return found


def _averaged(table: CellTable, complete: Mapping[str, float]) -> list[str] | None:
    """The corruptions of the mean; None where one of them is not complete."""
    asked = list(dict.fromkeys(cell.corruption for cell in table.counted))
    names = [name for name in asked if name in table.suite.corruptions] or asked
    return names if complete.keys() >= {*names} else None


def _has_evidence(run: Run, cells: Mapping[str, Sequence[Cell]]) -> bool:
    for row in cells.values():
        if not all(run.evidence_file(cell).is_file() for cell in row):
            return False
    return True


def _evidence(run: Run, cells: Mapping[str, Sequence[Cell]]) -> dict[str, list]:
    """Corruption -> the evidence of every image, per severity."""
    from mmrobustprune.corruption.evidence import load

    found = {}
    for name, row in cells.items():
        found[name] = [load(run.evidence_file(cell)) for cell in row]
    return found
