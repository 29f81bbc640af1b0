"""How much each group of channels may lose before accuracy does."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean

CLEAN = 'clean'  # every other name of a value is that of a corruption
Values = Mapping[str, float]  # accuracy, clean and under corruptions


def drop(dense: Values, values: Values) -> float:
    """The fraction of the accuracy that is lost: clean, or under corruptions, whichever is more.

    max((a - a') / a clean, mean over corruptions of (a - a') / a), a of the dense network; what the
    dense network has no accuracy under says nothing.

    Args:
        dense, values: accuracy by name, of the same names.
    """
    lost = {name: (a - values[name]) / a for name, a in dense.items() if a > 0}
    corrupted = [value for name, value in lost.items() if name != CLEAN]
    sides = [lost[CLEAN]] if CLEAN in lost else []
    return max(sides + ([fmean(corrupted)] if corrupted else []), default=0.0)


def most(points: Sequence[tuple[float, float]], allowed: float) -> float | None:
    """The largest fraction of a group that may go, so that no more than `allowed` is lost.

    Between what was measured the drop is taken as linear, and never as smaller than for less.

    Args:
        points: (fraction gone, fraction of the accuracy lost), by rising fraction.
        allowed: fraction of the accuracy.

    Returns:
        None where even the largest measured fraction loses no more.
    """
    before = (0.0, 0.0)
    for fraction, lost in points:
        if lost > allowed:
            share = (allowed - before[1]) / (lost - before[1])
            return before[0] + share * (fraction - before[0])
        before = (fraction, max(lost, before[1]))
    return None


def limits(
    groups: Mapping[str, int], points: Mapping[str, Sequence[tuple[float, float]]], allowed: float
) -> dict[str, float]:
    """{group: the largest fraction that may go}, rounded down; groups without a limit are left out.

    Where not one unit may go the fraction is 0.

    Args:
        groups: name -> units.
        points: name -> as in `most`.
        allowed: fraction of the accuracy.
    """
    found = {}
    for name, units in groups.items():
        fraction = most(points[name], allowed)
        if fraction is not None:
            rounded = math.floor(100 * fraction + 1e-9) / 100
            found[name] = rounded if rounded * units >= 1 else 0.0
    return found


def counts(units: int, fractions: Sequence[float]) -> list[int]:
    """How many units go, by rising number and each once: at least one, and one stays."""
    found = {min(max(1, round(fraction * units)), units - 1) for fraction in fractions}
    return sorted(found - {0})
