"""Which units stay within a latency budget, at once or round by round."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from mmrobustprune.dependency.groups import Group, full
from mmrobustprune.masks.select import (
    NORMALISE,
    Selection,
    check_min_keep,
    check_target,
    finite_scores,
    least_kept,
)
from mmrobustprune.naming import unknown

from .elimination import Elimination
from .knapsack import knapsack
from .network import LatencyModel
from .problem import Problem, Solution
from .solver import solve

Levels = dict[str, np.ndarray]


class TooFar(ValueError):
    """One linearised step does not reach a budget."""


def exact(model: LatencyModel, problem: Problem, levels: Levels, budget: float) -> Solution:
    """The true latency of all widths together, by `solve`."""
    return solve(problem, budget)


def linearised(
    model: LatencyModel, problem: Problem, levels: Levels, budget: float, parts: int = 20_000
) -> Solution:
    """HALP's step (arXiv:2110.10811), an exact knapsack of units.

    A unit costs what its own layers lose at today's input widths. The inputs of the next layers are
    taken to stay, so the network becomes faster than asked. The bound holds for this simplified
    latency only.

    Raises:
        TooFar: one step cannot go so far.
    """
    kept = {name: int(level[-1]) for name, level in levels.items()}
    changes = model.changes(levels, kept)
    fastest = model.predict(kept) + sum(float(change.min()) for change in changes.values())
    if fastest > budget:
        raise TooFar(
            f'one linearised step from here comes to {fastest:.4g} ms at best, and {budget:.4g} ms '
            "are asked for; take more rounds, or solver='exact'."
        )
    room = budget - fastest
    choice = knapsack(
        [problem.values[name] for name in levels],
        [changes[name] - changes[name].min() for name in levels],
        room,
        max(room, 1e-9) / parts,
    )
    taken = dict(zip(levels, choice, strict=True))
    value = problem.value(taken)
    return Solution(taken, value, problem.ms(taken), value, 0.0)


SOLVERS: dict[str, Callable[..., Solution]] = {'exact': exact, 'linearised': linearised}


@dataclass
class LatencySelection(Selection):
    """Keeps the units of most score within a latency; targets are fractions of the dense latency.

    A size of a group is worth the sum of its best scores.

    Args:
        cost: gives the milliseconds.
        groups: the network's groups of channels.
        min_keep: share of its units that every group keeps at least.
        round_to: the kept units of a group are a multiple of it, or as many as are alive now.
        levels: largest number of sizes of a group.
        normalise: what divides a group's scores, 'none', 'mean', 'max' or 'l2'.
        solver: 'exact' or 'linearised' (see these).
        limits: name of a group -> the largest fraction of its units that may go (`limits_of`).
    Raises:
        ValueError: an unknown name, or a number out of its range.

    Attributes:
        solution: the last choice, with its proven gap.
    """

    cost: LatencyModel
    groups: tuple[Group, ...]
    min_keep: float = 0.1
    round_to: int = 8
    levels: int = 32
    normalise: str = 'none'
    solver: str = 'exact'
    limits: Mapping[str, float] = field(default_factory=dict)
    solution: Solution | None = field(default=None, init=False)

    def __post_init__(self):
        for what, name, allowed in (
            ('solver', self.solver, SOLVERS),
            ('normalisation', self.normalise, NORMALISE),
        ):
            if name not in allowed:
                raise unknown(what, name, allowed)
        check_min_keep(self.min_keep)
        if self.round_to < 1 or self.levels < 1:
            raise ValueError(
                f'round_to={self.round_to} and levels={self.levels} are numbers of at least 1; '
                'give such.'
            )

    def sizes(self, alive: dict[str, Tensor] | None = None) -> Levels:
        """The numbers of units that each group may keep, ascending."""
        return {
            group.name: self._sizes(group, int(mask.sum())) for group, mask in self._alive(alive)
        }

    def most(self, alive: dict[str, Tensor] | None = None) -> float:
        """The largest fraction of the dense latency that may be removed."""
        levels = self.sizes(alive)
        worthless = {name: np.zeros(len(level)) for name, level in levels.items()}
        problem = self.cost.problem(levels, worthless)
        return 1 - problem.ms(Elimination(problem).solve(0.0, 1.0)) / self.cost.dense

    def removed(self, alive: dict[str, Tensor]) -> dict[str, float]:
        """The removed fraction of the dense latency, as predicted."""
        return dict(latency=1 - self.cost.predict(alive) / self.cost.dense)

    def check(self, target: float) -> None:
        """Refuse a target that is no fraction, or more than can be removed.

        Raises:
            ValueError: it is; the nearest feasible value is named.
        """
        check_target(target, self.groups)
        most = self.most()
        if most >= target:
            return
        if self.cost.factor == 0:
            raise ValueError(
                'this network is no faster with half of its units on this device, so no latency '
                'can be removed; take a larger batch or larger images, or a budget of params or '
                'macs.'
            )
        fastest = (1 - most) * self.cost.dense
        raise ValueError(
            f'{target:.3f} of the latency cannot be removed: the nearest feasible value is '
            f'{most:.4f} ({fastest:.4g} ms of {self.cost.dense:.4g} ms), with '
            f'min_keep={self.min_keep}, round_to={self.round_to} and the layers that are '
            'unprunable; lower the target or min_keep.'
        )

    def plan(
        self,
        scores: dict[str, Tensor],
        target: float,
        alive: dict[str, Tensor] | None = None,
        candidates: dict[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """The units of most score with at least `target` of the dense latency removed.

        The rest as in `Selection.plan`.
        """
        self.check(target)
        among = alive if candidates is None else candidates
        return self.within(scores, (1 - target) * self.cost.dense, among)

    def budget_after(self, target: float, this: int, rounds: int) -> float:
        """Milliseconds after round `this` of 1 to `rounds`: T_r = T_0 (1 - p)^(r / R).

        The exponential schedule of arXiv:2006.09081.
        """
        return self.cost.dense * (1 - target) ** (this / rounds)

    def step(
        self,
        scores: dict[str, Tensor],
        target: float,
        alive: dict[str, Tensor],
        this: int,
        rounds: int,
        candidates: dict[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """The units that live after round `this` of 1 to `rounds` on the exponential schedule.

        Where one linearised step does not reach a round's budget, the exact solver takes that
        round, with a warning; the rest as in `plan`.
        """
        self.check(target)
        budget = self.budget_after(target, this, rounds)
        among = alive if candidates is None else candidates
        try:
            return self.within(scores, budget, among)
        except TooFar as error:
            warnings.warn(f'round {this} of {rounds} is solved exactly: {error}', stacklevel=2)
            return self.within(scores, budget, among, 'exact')

    def report(self) -> dict[str, float]:
        """`gap`: no choice within the budget is better than the last by more than this share."""
        return {} if self.solution is None else dict(gap=self.solution.gap)

    def within(
        self,
        scores: dict[str, Tensor],
        budget: float,
        alive: dict[str, Tensor] | None = None,
        solver: str | None = None,
    ) -> dict[str, Tensor]:
        """The units of most score within `budget` milliseconds.

        Args:
            scores: (units,) of each group, higher is kept.
            budget: in milliseconds.
            alive: bool (units,) of each group, the units that may live; by default all.
            solver: by default the selection's own.
        Raises:
            ValueError: no choice meets the budget.
        """
        levels = self.sizes(alive)
        orders = {}
        values = {}
        for group, live in self._alive(alive):
            score = finite_scores(scores, group)
            living = live.cpu().numpy()
            worth = np.full(group.units, -np.inf)
            worth[living] = NORMALISE[self.normalise](score[living])
            order = np.argsort(-worth, kind='stable')
            sizes = levels[group.name]
            values[group.name] = np.cumsum(worth[order][: sizes[-1]])[sizes - 1]
            orders[group.name] = order
        problem = self.cost.problem(levels, values)
        self.solution = SOLVERS[solver or self.solver](self.cost, problem, levels, budget)
        masks = {}
        for name, level in self.solution.levels.items():
            best = orders[name][: int(levels[name][level])]
            mask = torch.zeros(len(orders[name]), dtype=torch.bool)
            mask[torch.from_numpy(best.copy())] = True
            masks[name] = mask
        return masks

    def _alive(self, alive: dict[str, Tensor] | None) -> list[tuple[Group, Tensor]]:
        alive = alive or full(self.groups)
        return [(group, alive[group.name]) for group in self.groups]

    def _sizes(self, group: Group, alive: int) -> np.ndarray:
        apart = self.round_to * math.ceil(group.units / self.round_to / self.levels)
        least = least_kept(group.units, self.min_keep, self.limits.get(group.name, 1.0))
        sizes = np.arange(apart, alive, apart)
        return np.append(sizes[sizes >= least], alive)
