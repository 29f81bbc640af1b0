"""The exact multiple-choice knapsack: one option per item, the most value within a budget."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .problem import too_slow


def knapsack(
    values: Sequence[np.ndarray], costs: Sequence[np.ndarray], budget: float, unit: float
) -> list[int]:
    """The option of every item with the most total value whose total cost is within the budget.

    Costs are rounded up to whole `unit`s and the budget down, so the budget holds; the answer is
    exact for the rounded numbers: best_i[c] = max_j best_{i-1}[c - cost_ij] + value_ij, one shifted
    addition per option. Options that cost more than a better one are left out. Time
    O(options * budget / unit), memory 2 bytes * items * budget / unit.

    Args:
        values: (options,) of each item.
        costs: (options,) of each item, at least 0 and in the budget's unit.
        budget: of the total cost.
        unit: of the rounded costs.
    Raises:
        ValueError: a negative or infinite number, or no choice meets the budget; the smallest total
            cost is named.
    """
    _check(values, costs, unit)
    if not values:
        return []
    whole = [np.ceil(np.asarray(cost) / unit - 1e-9).astype(np.int64) for cost in costs]
    cheapest = sum(int(cost.min()) for cost in whole)
    room = int(np.floor(budget / unit + 1e-9)) - cheapest
    if room < 0:
        raise too_slow(budget, unit * cheapest)
    best = np.zeros(room + 1)
    taken = []
    for value, cost in zip(values, whole, strict=True):
        value = np.asarray(value, float)
        cost = cost - cost.min()
        fresh = np.full(room + 1, -np.inf)
        option = np.zeros(room + 1, np.int16)
        for j in _undominated(value, cost):
            if cost[j] <= room:
                shifted = best[: room + 1 - cost[j]] + value[j]
                better = shifted > fresh[cost[j] :]
                fresh[cost[j] :][better] = shifted[better]
                option[cost[j] :][better] = j
        best = fresh
        taken.append((option, cost))
    choice = []
    left = int(best.argmax())  # best[c] allows for unspent room, so it rises with c
    for option, cost in reversed(taken):
        choice.append(int(option[left]))
        left -= int(cost[choice[-1]])
    return choice[::-1]


def _check(values: Sequence[np.ndarray], costs: Sequence[np.ndarray], unit: float) -> None:
    pairs = list(zip(values, costs, strict=False))
    even = len(values) == len(costs) and all(np.shape(v) == np.shape(c) for v, c in pairs)
    if not even or not all(len(v) for v in values):
        raise ValueError(
            'every item needs as many values as costs, and at least one option; give them in pairs.'
        )
    finite = all(np.isfinite(v).all() and np.isfinite(c).all() for v, c in pairs)
    if not finite or unit <= 0 or any((np.asarray(c) < 0).any() for c in costs):
        raise ValueError(
            'values must be finite, costs finite and not negative, and the unit positive; check '
            'the table.'
        )


def _undominated(value: np.ndarray, cost: np.ndarray) -> list[int]:
    """The options that no cheaper or equal one matches in value, cheapest first."""
    kept = []
    top = -np.inf
    for j in np.lexsort((-value, cost)).tolist():
        if value[j] > top:
            kept.append(j)
            top = value[j]
    return kept
