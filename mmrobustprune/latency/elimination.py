"""The exact maximum of a sum of small tables, by eliminating one variable after another."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from .problem import Problem, refuse_many


@dataclass
class _Step:
    """The elimination of one variable.

    Attributes:
        name: of the variable.
        scope: the variables that its message depends on, in the order of elimination.
        ms: its table: an axis of its own first, then those of `scope`.
        reader: the step that reads the message.
        shape: of the message there.
    """

    name: str
    scope: tuple[str, ...]
    ms: np.ndarray = field(default_factory=lambda: np.zeros(0))
    reader: int = -1
    shape: tuple[int, ...] = ()


class Elimination:
    """max over levels of  a sum_v value_v[l_v] - b ms(l), exact for every a, b >= 0.

    Max-sum variable elimination (Bertele and Brioschi, 1972), the next variable being the one with
    the smallest table: the cost is exponential only in the treewidth of the layer graph, which is 1
    or 2 for chains, residual stages and inverted residual blocks.

    Raises:
        ValueError: a table would have more than 2^24 cells.
    """

    def __init__(self, problem: Problem):
        self.problem = problem
        self.size = {name: len(worth) for name, worth in problem.values.items()}
        scopes = {frozenset(factor.variables) for factor in problem.factors if factor.variables}
        order: dict[str, tuple[str, ...]] = {}
        while len(order) < len(self.size):
            name, cells, scope = self._cheapest(scopes, order)
            refuse_many(name, cells)
            order[name] = tuple(scope)
            scopes = {one for one in scopes if name not in one}
            if scope:
                scopes.add(frozenset(scope))
        self._arrange(order)

    def _cheapest(self, scopes: set[frozenset[str]], done: dict) -> tuple[str, int, set[str]]:
        near: dict[str, set[str]] = {name: set() for name in self.size if name not in done}
        for scope in scopes:
            for name in scope:
                near[name] |= scope
        cells = {}
        for name, around in near.items():
            cells[name] = math.prod(self.size[one] for one in around | {name})
        name = min(cells, key=cells.get)
        return name, cells[name], near[name] - {name}

    def _arrange(self, order: dict[str, tuple[str, ...]]) -> None:
        rank = {name: i for i, name in enumerate(order)}
        self.steps = [
            _Step(name, tuple(sorted(scope, key=rank.get))) for name, scope in order.items()
        ]
        for step in self.steps:
            step.ms = np.zeros((self.size[step.name], *(self.size[name] for name in step.scope)))
            if step.scope:
                step.reader = rank[step.scope[0]]
                there = (step.scope[0], *self.steps[step.reader].scope)
                step.shape = tuple(self.size[n] if n in step.scope else 1 for n in there)
        for factor in self.problem.factors:
            if factor.variables:
                names = sorted(factor.variables, key=rank.get)
                step = self.steps[rank[names[0]]]
                ms = factor.ms.transpose([factor.variables.index(name) for name in names])
                rest = (self.size[n] if n in names else 1 for n in step.scope)
                step.ms += ms.reshape(len(ms), *rest)

    def solve(self, a: float, b: float) -> dict[str, int]:
        """The best levels for these weights of value and time."""
        inbox: dict[int, list[np.ndarray]] = {}
        tables = []
        for i, step in enumerate(self.steps):
            table = step.ms * -b
            table += (a * self.problem.values[step.name]).reshape(-1, *(1,) * len(step.scope))
            for message in inbox.pop(i, ()):
                table += message
            tables.append(table)
            if step.scope:
                inbox.setdefault(step.reader, []).append(table.max(0).reshape(step.shape))
        levels: dict[str, int] = {}
        for step, table in zip(reversed(self.steps), reversed(tables), strict=True):
            at = (levels[name] for name in step.scope)
            levels[step.name] = int(table[(slice(None), *at)].argmax())
        return levels
