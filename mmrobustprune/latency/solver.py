"""The most valuable widths within a latency budget, with a proven bound."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .elimination import Elimination
from .problem import Problem, Solution, too_slow


def solve(problem: Problem, budget: float, tolerance: float = 5e-4) -> Solution:
    """Maximise the value of a problem within `budget` milliseconds.

    Lagrangian relaxation: for a price p per millisecond, g(p) = max value - p (ms - budget) is
    found exactly by elimination over the layer graph and bounds every choice within the budget from
    above; p moves to where the lines of the best choice within and of the best choice beyond the
    budget meet, until g cannot fall any more. What is left of the budget is then filled by changes
    of one and of two variables. Work ends as soon as the gap is at most `tolerance`.

    Raises:
        ValueError: no choice meets the budget; the time of the fastest is named.
    """
    graph = Elimination(problem)
    inside = graph.solve(0.0, 1.0)
    if problem.ms(inside) > budget:
        raise too_slow(budget, problem.ms(inside))
    outside = graph.solve(1.0, 0.0)
    bound = problem.value(outside)
    if problem.ms(outside) <= budget:
        return Solution(outside, bound, problem.ms(outside), bound, price=0.0)
    price = 0.0
    found = [inside]

    def near(levels: dict[str, int]) -> bool:
        return bound - problem.value(levels) <= tolerance * abs(bound)

    for _ in range(100):
        high = problem.value(outside)
        slow = problem.ms(outside)
        gain = high - problem.value(inside)
        slope = max(gain / (slow - problem.ms(inside)), 0.0)
        levels = graph.solve(1.0, slope)
        ms = problem.ms(levels)
        height = problem.value(levels) - slope * (ms - budget)
        if height < bound:
            bound = height
            price = slope
        meeting = high - slope * (slow - budget)
        if height <= meeting + 1e-12 * max(abs(meeting), 1e-300):
            break  # no line lies above the point where the two meet
        if ms <= budget:
            inside = levels
            found.append(levels)
            if near(inside):
                break
        else:
            outside = levels
    best = found[-1]
    choices = []
    for start in reversed(found[-3:]):
        choices.append(_Filling(problem, start, budget, near).run())
        best = max(choices, key=problem.value)
        if near(best):
            break
    return Solution(best, problem.value(best), problem.ms(best), bound, price)


class _Filling:
    """Changes of one or two variables that raise the value within the budget."""

    def __init__(
        self,
        problem: Problem,
        levels: dict[str, int],
        budget: float,
        enough: Callable[[dict[str, int]], bool],
    ):
        self.problem = problem
        self.levels = dict(levels)
        self.budget = budget
        self.enough = enough
        self.names = list(problem.values)
        sizes = [len(problem.values[name]) for name in self.names]
        self.start = dict(zip(self.names, np.cumsum([0, *sizes[:-1]]).tolist(), strict=True))
        self.owner = np.repeat(np.arange(len(self.names)), sizes)
        self.level = np.concatenate([np.arange(size) for size in sizes])
        self.worth = np.concatenate([problem.values[name] for name in self.names])
        self.factors: dict[str, list] = {name: [] for name in self.names}
        for factor in problem.factors:
            for name in factor.variables:
                self.factors[name].append(factor)
        # of the factors around a variable, the others being as they are
        self.times = np.zeros(len(self.owner))
        for name in self.names:
            self._refresh(name)
        self.ms = problem.ms(self.levels)

    def _refresh(self, name: str) -> None:
        start = self.start[name]
        own = slice(start, start + len(self.problem.values[name]))
        self.times[own] = 0
        for factor in self.factors[name]:
            at = tuple(slice(None) if one == name else self.levels[one] for one in factor.variables)
            self.times[own] += factor.ms[at]

    def run(self) -> dict[str, int]:
        """The filled choice."""
        for _ in range(50 * len(self.names)):
            if not self._single() and (self.enough(self.levels) or not self._pair()):
                break
        return self.levels

    def _changes(self) -> tuple[np.ndarray, np.ndarray]:
        now = np.array([self.start[name] + self.levels[name] for name in self.names])[self.owner]
        return self.worth - self.worth[now], self.times - self.times[now]

    def _single(self) -> bool:
        gain, ms = self._changes()
        fits = (gain > 1e-12 * np.abs(self.worth).max()) & (ms <= self.budget - self.ms)
        if not fits.any():
            return False
        rate = np.where(fits, gain / np.maximum(ms, 1e-9 * max(abs(self.budget), 1e-300)), -np.inf)
        return self._apply([int(rate.argmax())])

    def _pair(self) -> bool:
        """One variable gains, another one gives way; exact unless they share a factor."""
        gain, ms = self._changes()
        up = np.flatnonzero(gain > 0)
        down = np.flatnonzero(gain <= 0)
        down = down[ms[down] < 0]
        total = gain[up][:, None] + gain[down][None, :]
        fits = ms[up][:, None] + ms[down][None, :] <= self.budget - self.ms
        total[~fits | (self.owner[up][:, None] == self.owner[down][None, :])] = -np.inf
        order = np.argpartition(-total, min(16, total.size - 1), None)[:16] if total.size else []
        for flat in sorted(order, key=lambda i: -total.flat[i]):
            if total.flat[flat] <= 1e-12 * np.abs(self.worth).max():
                return False
            i, j = np.unravel_index(flat, total.shape)
            if self._apply([int(up[i]), int(down[j])]):
                return True
        return False

    def _apply(self, moves: list[int]) -> bool:
        fresh = self.levels | {
            self.names[self.owner[move]]: int(self.level[move]) for move in moves
        }
        ms = self.problem.ms(fresh)
        if ms > self.budget:
            return False
        self.levels = fresh
        self.ms = ms
        touched = {self.names[self.owner[move]] for move in moves}
        for name in list(touched):
            touched.update(*(factor.variables for factor in self.factors[name]))
        for name in touched:
            self._refresh(name)
        return True
