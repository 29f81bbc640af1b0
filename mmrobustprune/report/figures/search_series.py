"""What was measured along searches for a mask, one value per epoch, repeats together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from mmrobustprune.report.runs import REPEAT

# one per epoch: 'epoch' and any values; None and absent mean not measured
Records = Sequence[Mapping[str, Any]]
Runs = Mapping[str, Records]


@dataclass(frozen=True)
class Series:
    """Values over epochs (or radii): mean, least and greatest of the repeats, and their number."""

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
    """The runs' values under `key`, at the epochs that all repeats have.

    Names that differ only in '-seedN' are repeats.

    Raises:
        ValueError: a run has no such value, or its repeats no epoch in common.
    """
    found = {}
    for name, repeats in group(runs).items():
        tables = [_measured(runs[repeat], key) for repeat in repeats]
        epochs = sorted(set.intersection(*(set(table) for table in tables)))
        if not epochs:
            shared = ' that all its repeats have' if len(tables) > 1 else ''
            raise ValueError(
                f"'{name}' has no '{key}' at any epoch{shared}; measure it, or leave the run out."
            )
        rows = []
        for epoch in epochs:
            rows.append([table[epoch] for table in tables])
        found[name] = Series(
            epochs=tuple(epochs),
            mean=tuple(map(fmean, rows)),
            low=tuple(map(min, rows)),
            high=tuple(map(max, rows)),
            repeats=len(tables),
        )
    return found


def _measured(records: Records, key: str) -> dict[float, float]:
    """Epoch -> value, where there is one."""
    return {one['epoch']: one[key] for one in records if one.get(key) is not None}
