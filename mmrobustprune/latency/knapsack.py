"""The exact multiple-choice knapsack: one option per item, the most value within a budget."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .problem import too_slow


def knapsack(
    values: Sequence[np.ndarray], costs: Sequence[np.ndarray], budget: float, unit: float
) -> list[int]:
    """The option of every item with the largest total value among those whose total cost is at most the budget.

    `values[i]` and `costs[i]` (options,) of item i, costs >= 0 and in the budget's unit. Costs are rounded up to whole
    `unit`s and the budget down, so the budget holds; the answer is exact for the rounded numbers:
    best_i[c] = max_j best_{i-1}[c - cost_ij] + value_ij, one shifted addition per option. Options that cost more than a
    better one are left out. Time O(options * budget / unit), memory 2 bytes * items * budget / unit. Raises ValueError for
    negative or non-finite numbers, and with the smallest total cost where no choice meets the budget.
    """
    if len(values) != len(costs) or any(
        np.shape(v) != np.shape(c) or not len(v) for v, c in zip(values, costs, strict=False)
    ):
        raise ValueError(
            'every item needs as many values as costs, and at least one option; give them in pairs.'
        )
    if unit <= 0 or any(
        not np.isfinite(v).all() or not np.isfinite(c).all() or (np.asarray(c) < 0).any()
        for v, c in zip(values, costs, strict=True)
    ):
        raise ValueError(
            'values must be finite, costs finite and not negative, and the unit positive; check the table.'
        )
    if not values:
        return []
    whole = [np.ceil(np.asarray(cost) / unit - 1e-9).astype(np.int64) for cost in costs]
    room = int(np.floor(budget / unit + 1e-9)) - sum(int(cost.min()) for cost in whole)
    if room < 0:
        raise too_slow(budget, unit * sum(int(cost.min()) for cost in whole))
    best, taken = np.zeros(room + 1), []
    for value, cost in zip(values, whole, strict=True):
        value, cost = np.asarray(value, float), cost - cost.min()
        fresh, option = np.full(room + 1, -np.inf), np.zeros(room + 1, np.int16)
        for j in _undominated(value, cost):
            if cost[j] <= room:
                shifted = best[: room + 1 - cost[j]] + value[j]
                better = shifted > fresh[cost[j] :]
                fresh[cost[j] :][better] = shifted[better]
                option[cost[j] :][better] = j
        best = fresh
        taken.append((option, cost))
    choice, left = [], int(best.argmax())  # best[c] allows for unspent room, so it rises with c
    for option, cost in reversed(taken):
        choice.append(int(option[left]))
        left -= int(cost[choice[-1]])
    return choice[::-1]


def _undominated(value: np.ndarray, cost: np.ndarray) -> list[int]:
    """The options that no cheaper or equal one matches in value, cheapest first."""
    kept, top = [], -np.inf
    for j in np.lexsort((-value, cost)).tolist():
        if value[j] > top:
            kept.append(j)
            top = value[j]
    return kept
