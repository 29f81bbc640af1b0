"""The order in which units go."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from mmrobustprune.cost.model import CostModel
from mmrobustprune.dependency.groups import Group, full

from .select import NORMALISE, finite_scores

if TYPE_CHECKING:
    from .ranked import RankedSelection


SCOPES: dict[str, Callable[[CostModel, Group], Hashable]] = {  # the class in which a unit competes
    'network': lambda cost, group: 'all',
    'layer': lambda cost, group: group.name,
    'isomorphic': lambda cost, group: cost.makeup(group),
}
WEIGH: dict[str, Callable[[Group, np.ndarray], float]] = {  # what a group is worth as a whole
    'none': lambda group, scores: 1.0,
    'reads': lambda group, scores: max(1, sum(p.side == 'in' for p in group.slices)) ** 2,
    'scores': lambda group, scores: float((scores**2).sum()),
    'loss': lambda group, scores: 1.0,  # until it is measured
}
ALL = 1 - 1e-9  # of what the rates ask: a place below is lost; 3 of 10 at .3 in floats, too
LEAST = 1e-12  # a unit that costs nothing has a price, too: it goes last


class Ranking:
    """All units in the order in which they go: dead ones first, protected ones never.

    Units compete by (worth + toll macs) / price within the classes of the scope, and every class
    loses the same share. The worth is the score as `normalise` scales it times the weight of its
    group, the price of 'cost' the share of the budget that the unit holds, `macs` its share of the
    MACs.

    Args:
        rule: how scores compare, and what every group keeps.
        scores: (units,) of each group, higher is kept.
        alive: bool (units,) of each group, the units that may live; None for all.
        toll: what a unit's MACs add to its worth, in times the mean worth for the mean MACs; more
            of it leaves more of the MACs.
    """

    def __init__(
        self,
        rule: RankedSelection,
        scores: dict[str, Tensor],
        alive: dict[str, Tensor] | None = None,
        toll: float = 0.0,
    ):
        self.rule = rule
        self.groups = rule.cost.groups
        alive = alive or full(self.groups)
        found = [finite_scores(scores, group) for group in self.groups]
        living = [alive[group.name].cpu().numpy() for group in self.groups]
        places = self._places(self._worths(found, living, toll))
        # of each group (units,): -inf for dead units, inf for protected ones
        least = [rule.least(group) for group in self.groups]
        self.keys = list(map(self._key, found, living, places, least))
        every = np.concatenate(self.keys)
        owner = np.repeat(np.arange(len(self.groups)), [group.units for group in self.groups])
        self.order = owner[np.argsort(every, kind='stable')]  # the groups that lose a unit
        self.units = len(every)
        self.dead = int((every == -np.inf).sum())
        self.last = self.units - int((every == np.inf).sum())
        self.asked = min(int((every < ALL).sum()), self.last)  # by rates that are no relations
        self.held: dict[str, int] = {}

    def _worths(
        self, scores: list[np.ndarray], living: list[np.ndarray], toll: float
    ) -> list[np.ndarray]:
        """(worth + toll macs) / price of the living units of each group."""
        scale = NORMALISE[self.rule.normalise]
        worths = [
            self.rule.weight(group, score[live]) * scale(score[live])
            for group, score, live in zip(self.groups, scores, living, strict=True)
        ]
        if toll:
            shares = self.rule.cost.unit_shares('macs')
            macs = np.array([shares[group.name] for group in self.groups])
            toll *= np.mean(np.concatenate(worths)) / (macs.mean() or 1.0)
            worths = [worth + toll * one for worth, one in zip(worths, macs, strict=True)]
        if self.rule.per == 'cost':
            prices = self.rule.cost.unit_shares(self.rule.budget)
            worths = [
                worth / max(prices[group.name], LEAST)
                for worth, group in zip(worths, self.groups, strict=True)
            ]
        return worths

    def _places(self, worths: list[np.ndarray]) -> list[np.ndarray]:
        """Ranks as fractions of the dense class, so that every class gives the same share of it."""
        classes: dict[Hashable, list[int]] = {}
        for number, group in enumerate(self.groups):
            label = SCOPES[self.rule.scope](self.rule.cost, group)
            classes.setdefault(label, []).append(number)
        places = list(worths)
        for members in classes.values():
            together = np.concatenate([worths[number] for number in members])
            units = sum(self.groups[number].units for number in members)
            dead = units - len(together)
            ranks = (dead + np.argsort(np.argsort(together, kind='stable'))) / units
            ends = np.cumsum([len(worths[number]) for number in members])[:-1]
            for number, part in zip(members, np.split(ranks, ends), strict=True):
                rate = self.rule.rate(self.groups[number])
                places[number] = part / rate if rate else np.full(len(part), np.inf)
        return places

    def _key(
        self, score: np.ndarray, live: np.ndarray, place: np.ndarray, least: int
    ) -> np.ndarray:
        key = np.full(len(score), -np.inf)
        key[live] = place
        best = np.lexsort((score, key))
        protected = min(least, int(live.sum()))
        key[best[len(score) - protected :]] = np.inf
        return key

    def kept(self, count: int) -> dict[str, int]:
        """Units left in each group when the first `count` units go."""
        gone = np.bincount(self.order[: max(count, self.dead)], minlength=len(self.groups))
        kept = {}
        for group, lost, key in zip(self.groups, gone, self.keys, strict=True):
            alive = int((key > -np.inf).sum())
            kept[group.name] = self.rule.rounded(group.units - int(lost), alive)
        return kept | self.held

    def hold(self, count: int) -> None:
        """From now on keep in the group of the unit before `count` what is kept without it."""
        name = self.groups[self.order[count - 1]].name
        self.held[name] = self.kept(count - 1)[name]

    def removed(self, count: int) -> float:
        """The fraction of the budget that goes with the first `count` units; 1 - 8/10 is .2."""
        return round(self.rule.cost.removed(self.kept(count))[self.rule.budget], 12)

    def meet(self, target: float | None) -> int:
        """The smallest count that removes the target, or the largest there is.

        None is what the rates ask for.
        """
        if target is None:
            return self.asked
        low = self.dead
        high = self.last
        while low < high:
            middle = (low + high) // 2
            if self.removed(middle) >= target:
                high = middle
            else:
                low = middle + 1
        return low

    def masks(self, count: int) -> dict[str, Tensor]:
        """The units that live, bool (units,) of each group, when the first `count` units go."""
        kept = self.kept(count)
        alive = {}
        for group, key in zip(self.groups, self.keys, strict=True):
            gone = np.argsort(key, kind='stable')[: group.units - kept[group.name]]
            mask = torch.ones(group.units, dtype=torch.bool)
            mask[torch.from_numpy(gone)] = False
            alive[group.name] = mask
        return alive
