"""Sets of channels that can go while parts of a tensor stay equally wide."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_matrix, hstack
from scipy.sparse.csgraph import connected_components

SECONDS = 5.0  # for one search of a smallest set; none of the zoos' networks needs a tenth


@dataclass(frozen=True, eq=False)
class Even:
    """Every part of a tensor must lose as many channels as the others.

    Attributes:
        item: (width,) the item that each channel belongs to; what belongs together goes together.
        part: (width,) the part that it lies in: the groups of a convolution, the pieces of a split.
    """

    item: np.ndarray
    part: np.ndarray

    def unevenness(self, count: int) -> csr_matrix:
        """(items, parts - 1): how many channels more than in the first part go with each item."""
        parts = int(self.part.max()) + 1
        ones = np.ones(len(self.item), int)
        touched = np.unique(self.item)
        table = csr_matrix((ones, (self.item, self.part)), shape=(count, parts))[touched].toarray()
        difference = table[:, 1:] - table[:, :1]
        row, column = difference.nonzero()
        values = difference[row, column]
        return csr_matrix((values, (touched[row], column)), shape=(count, parts - 1))


def even_units(may_go: np.ndarray, rules: Iterable[Even]) -> list[np.ndarray]:
    """The smallest sets of items that can go, each alone, and leave all rules kept.

    Items that no rule speaks of, or that are even by themselves, are sets of their own. The others
    are sorted by what they do to every rule; a set takes as many of each sort as the smallest
    solution x >= 0 of `sum_s x_s unevenness_s = 0` says, first ones first, so that equal numbers
    go of each of n groups when there is one rule.

    Args:
        may_go: bool (items,).
        rules: what must stay even.
    Returns:
        Numbers of items per set; items that fit into no set are in none.
    """
    count = len(may_go)
    tables = [rule.unevenness(count) for rule in rules]
    if not tables or not count:
        return [np.array([item]) for item in np.flatnonzero(may_go)]
    table = csr_matrix(hstack(tables))
    uneven = np.diff(table.indptr) > 0
    units = [np.array([item]) for item in np.flatnonzero(may_go & ~uneven)]
    row, column = table.nonzero()
    size = count + table.shape[1]
    graph = csr_matrix((np.ones(len(row)), (row, column + count)), shape=(size, size))
    _, region = connected_components(graph, directed=False)
    for one in np.unique(region[:count][uneven]):
        items = np.flatnonzero(uneven & may_go & (region[:count] == one))
        if len(items):
            columns = np.unique(table[items].indices)
            units += _sets(items, table[items][:, columns].toarray())
    return units


def _sets(items: np.ndarray, unevenness: np.ndarray) -> list[np.ndarray]:
    sorts, belongs = np.unique(unevenness, axis=0, return_inverse=True)
    left = [list(items[belongs.flatten() == sort]) for sort in range(len(sorts))]
    sets = []
    while True:
        take = _smallest(sorts, np.array([len(members) for members in left]))
        if take is None:
            return sets
        used = np.flatnonzero(take)
        for _ in range(min(len(left[sort]) // take[sort] for sort in used)):
            chosen = []
            for sort in used:
                chosen += left[sort][: take[sort]]
                del left[sort][: take[sort]]
            sets.append(np.array(sorted(chosen)))


def _smallest(sorts: np.ndarray, available: np.ndarray) -> np.ndarray | None:
    """How many of each sort make the smallest even set; None where there is none."""
    if not available.any():
        return None
    if available.all() and not sorts.sum(0).any():
        if np.linalg.matrix_rank(sorts) == len(sorts) - 1:  # one of each, or a multiple
            return np.ones(len(sorts), int)
    found = milp(
        np.ones(len(sorts)),
        integrality=np.ones(len(sorts)),
        bounds=Bounds(0, available),
        constraints=[
            LinearConstraint(sorts.T, 0, 0),
            LinearConstraint(np.ones((1, len(sorts))), 1, np.inf),
        ],
        options=dict(time_limit=SECONDS),
    )
    return None if found.x is None else found.x.round().astype(int)
