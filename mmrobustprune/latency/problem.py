"""Which widths a network may take, what they are worth, and how long it takes with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

LIMIT = 2**24  # cells of the largest table


@dataclass(frozen=True, eq=False)
class Factor:
    """Milliseconds of one part of a network.

    Attributes:
        variables: names.
        ms: one axis per variable, in this order; an entry per level of each.
    """

    variables: tuple[str, ...]
    ms: np.ndarray


@dataclass(frozen=True, eq=False)
class Problem:
    """Choose one level per variable: the most value within a time.

    The time of a choice is `constant` plus one entry of every factor.

    Args:
        values: name -> (levels,), what each level of a variable is worth.
        factors: milliseconds of the parts.
        constant: milliseconds of the rest.
    Raises:
        ValueError: a factor that does not fit the levels, or a number that is not finite.
    """

    values: dict[str, np.ndarray]
    factors: tuple[Factor, ...]
    constant: float = 0.0

    def __post_init__(self):
        for factor in self.factors:
            shape = tuple(len(self.values.get(name, ())) for name in factor.variables)
            if factor.ms.shape != shape or len(set(factor.variables)) < len(shape):
                raise ValueError(
                    f'a table of shape {factor.ms.shape} stands for the levels {shape} of '
                    f'{factor.variables}; give it one axis per variable, in their order.'
                )
        times = [factor.ms for factor in self.factors]
        for numbers in (*self.values.values(), *times, np.array([self.constant])):
            if not len(numbers) or not np.isfinite(numbers).all():
                raise ValueError(
                    'values and times must be finite, with at least one level per variable; check '
                    'the scores and the latency table.'
                )

    def ms(self, levels: Mapping[str, int]) -> float:
        """Time of a choice (variable -> level)."""
        total = self.constant
        for factor in self.factors:
            at = tuple(levels[name] for name in factor.variables)
            total += float(factor.ms[at])
        return total

    def value(self, levels: Mapping[str, int]) -> float:
        """Worth of a choice."""
        return sum(float(worth[levels[name]]) for name, worth in self.values.items())


@dataclass(frozen=True)
class Solution:
    """A choice of levels, and how far from the best one it can be.

    Attributes:
        levels: variable -> level.
        value: worth of the choice.
        ms: its time.
        bound: a proven upper bound of the value of any choice within the budget.
        price: the value per millisecond at which the bound was found.
    """

    levels: dict[str, int]
    value: float
    ms: float
    bound: float
    price: float

    @property
    def gap(self) -> float:
        """(bound - value) / |bound|: no choice within the budget is better by more than this."""
        return max(self.bound - self.value, 0.0) / max(abs(self.bound), 1e-300)


def too_slow(budget: float, fastest: float) -> ValueError:
    """The error for a budget that no choice meets."""
    return ValueError(
        f'a latency of {budget:.4g} ms cannot be met: the fastest network that may be chosen takes '
        f'{fastest:.6g} ms; raise the budget or lower min_keep.'
    )


def refuse_many(name: str, cells: int) -> None:
    """Refuse a table, over all sizes of groups that hang together, that cannot be held.

    Raises:
        ValueError: it has more than `LIMIT` cells.
    """
    if cells > LIMIT:
        raise ValueError(
            f"the widths around '{name}' hang together in too many ways to be solved exactly "
            f'({cells:.0e} combinations, {LIMIT:.0e} allowed); choose fewer levels (a larger step) '
            'or keep the width of layers by ignore.'
        )
