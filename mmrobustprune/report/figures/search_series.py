"""What was measured along searches for a mask, ready to be drawn: one value per epoch, repeats under other seeds together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from mmrobustprune.report.runs import REPEAT

Records = Sequence[
    Mapping[str, Any]
]  # one per epoch: 'epoch' and any values; None and absent mean not measured
Runs = Mapping[str, Records]


@dataclass(frozen=True)
class Series:
    """Values over epochs (or radii): the mean of the repeats, the least and the greatest, and how many repeats there are."""

    epochs: tuple[float, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    repeats: int

    def at(self, epochs: Iterable[int]) -> list[float]:
        """The means at these epochs."""
        means = dict(zip(self.epochs, self.mean, strict=True))
        return [means[epoch] for epoch in epochs]


def group(names: Iterable[str]) -> dict[str, list[str]]:
    """Names without '-seedN' -> the names that are repeats of it."""
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(REPEAT.sub('', name), []).append(name)
    return found


def series(runs: Runs, key: str) -> dict[str, Series]:
    """The runs' values under `key`, names that differ only in '-seedN' together, at the epochs that all repeats have.

    Raises:
        ValueError: a run has no such value, or its repeats no epoch in common.
    """
    found = {}
    for name, repeats in group(runs).items():
        tables = [
            {one['epoch']: one[key] for one in runs[repeat] if one.get(key) is not None}
            for repeat in repeats
        ]
        epochs = sorted(set.intersection(*(set(table) for table in tables)))
        if not epochs:
            raise ValueError(
                f"'{name}' has no '{key}' at any epoch"
                + (' that all its repeats have' if len(tables) > 1 else '')
                + '; measure it, or leave the run out.'
            )
        rows = [[table[epoch] for table in tables] for epoch in epochs]
        found[name] = Series(
            tuple(epochs), *(tuple(map(of, rows)) for of in (fmean, min, max)), len(tables)
        )
    return found
