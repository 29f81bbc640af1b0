"""How far two methods lie apart, by images and by trainings, and whether that is chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np

from mmrobustprune.records.outcomes import unpack_outcomes
from mmrobustprune.report.tables.cards import average

DRAWS = 2000
LEVEL = 0.95
BATCH = 50  # draws at a time

Record = Mapping[str, Any]
Interval = tuple[float, float]


@dataclass(frozen=True)
class Lead:
    """Ours - theirs in one column.

    Attributes:
        mean: over the seeds that both have.
        images: the percentile interval of the paired bootstrap over images (Efron, 1979), the mean
            over seeds and cells drawn image by image; None without answers of the same images.
        seeds: Student's t interval of the differences of equal seeds; None of one seed.
    """

    mean: float
    images: Interval | None = None
    seeds: Interval | None = None

    @property
    def mark(self) -> str:
        """Up or down where no interval holds 0, in brackets where that of the seeds may."""
        arrow = '▲' if self.mean > 0 else '▼'
        if self.images is None or not _apart(self.images):
            return ''
        return arrow if self.seeds and _apart(self.seeds) else f'({arrow})'

    def text(self, form: str) -> str:
        """`+1.20 ▲ [0.90, 1.50] [0.10, 2.30]`: images, then seeds."""
        words = [format(self.mean, f'+{form}'), self.mark]
        for interval in filter(None, (self.images, self.seeds)):
            words.append(f'[{interval[0]:{form}}, {interval[1]:{form}}]')
        return ' '.join(filter(None, words))


def difference(ours: Sequence[Record], theirs: Sequence[Record], column: str) -> Lead | None:
    """How far a method is above another one.

    Args:
        ours, theirs: their records, one per seed.
        column: key of the records.
    Returns:
        None where no seed of both has the column.
    """
    pairs = _pairs(ours, theirs, column)
    if not pairs:
        return None
    gaps = [one[column] - other[column] for one, other in pairs]
    mean = fmean(gaps)
    half = average(gaps).half_width(LEVEL)
    seeds = None if half is None else (mean - half, mean + half)
    answers = [_gap(one, other, column) for one, other in pairs]
    images = None
    if all(gap is not None for gap in answers) and len({len(gap) for gap in answers}) == 1:
        images = bootstrap(np.mean(answers, axis=0))
    return Lead(mean, images, seeds)


def bootstrap(gaps: np.ndarray, draws: int = DRAWS, seed: int = 0) -> Interval:
    """The percentile interval of the mean over images drawn with replacement.

    Args:
        gaps: (n,) of every image.
        draws, seed: of the bootstrap.
    """
    generator = np.random.default_rng(seed)
    means = []
    for start in range(0, draws, BATCH):
        drawn = generator.integers(len(gaps), size=(min(BATCH, draws - start), len(gaps)))
        means.append(gaps[drawn].mean(1))
    low, high = np.quantile(np.concatenate(means), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _pairs(
    ours: Sequence[Record], theirs: Sequence[Record], column: str
) -> list[tuple[Record, Record]]:
    """Records of equal seeds that both have the column."""
    others = {record['seed']: record for record in theirs if record.get(column) is not None}
    found = [(one, others[one['seed']]) for one in ours if one['seed'] in others]
    return [pair for pair in found if pair[0].get(column) is not None]


def _gap(one: Record, other: Record, column: str) -> np.ndarray | None:
    """(n,) the difference of every image in per cent, a mean over the cells of the column."""
    gaps = []
    for cell in _cells(one, column):
        pair = [(record.get('outcomes') or {}).get(cell) for record in (one, other)]
        if None in pair or pair[0]['which'] != pair[1]['which']:
            return None
        right, wrong = (unpack_outcomes(packed).astype(float) for packed in pair)
        gaps.append(100 * (right - wrong))
    return np.mean(gaps, axis=0) if gaps else None


def _cells(record: Record, column: str) -> list[str]:
    """The names under which the answers behind a column are kept."""
    outcomes = record.get('outcomes') or {}
    if column == 'mPC':
        kinds = record.get('per_corruption') or {}
        return [cell for cell in outcomes if cell.rpartition('-')[0] in kinds]
    if column == 'clean' and 'clean-0' in outcomes:
        return ['clean-0']
    if column == 'clean':
        return ['clean, all']
    return [] if column == 'rPC' else [column]


def _apart(interval: Interval) -> bool:
    return interval[0] > 0 or interval[1] < 0
