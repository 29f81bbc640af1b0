"""The order in which units go."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from mmrobustprune.dependency.groups import full

from .select import NORMALISE, finite_scores

if TYPE_CHECKING:
    from .ranked import RankedSelection


def _as_they_are(scores: np.ndarray) -> np.ndarray:
    return scores


def _shares(scores: np.ndarray) -> np.ndarray:
    """Ranks as fractions, so that every layer gives the same share."""
    return np.argsort(np.argsort(scores, kind='stable')) / len(scores)


SCOPES = {'network': _as_they_are, 'layer': _shares}


class Ranking:
    """All units in the order in which they go: dead ones first, protected ones never.

    Args:
        rule: how scores compare, and what every group keeps.
        scores: (units,) of each group, higher is kept.
        alive: bool (units,) of each group, the units that may live; None for all.
    """

    def __init__(
        self,
        rule: RankedSelection,
        scores: dict[str, Tensor],
        alive: dict[str, Tensor] | None = None,
    ):
        self.rule = rule
        self.groups = rule.cost.groups
        alive = alive or full(self.groups)
        self.keys = []  # of each group (units,): -inf for dead units, inf for protected ones
        for group in self.groups:
            score = finite_scores(scores, group)
            live = alive[group.name].cpu().numpy()
            self.keys.append(self._key(score, live, self.rule.least(group)))
        every = np.concatenate(self.keys)
        owner = np.repeat(np.arange(len(self.groups)), [group.units for group in self.groups])
        self.order = owner[np.argsort(every, kind='stable')]  # the groups that lose a unit
        self.units = len(every)
        self.dead = int((every == -np.inf).sum())
        self.last = self.units - int((every == np.inf).sum())
        self.held: dict[str, int] = {}

    def _key(self, score: np.ndarray, live: np.ndarray, least: int) -> np.ndarray:
        key = np.full(len(score), -np.inf)
        normalised = NORMALISE[self.rule.normalise](score[live])
        key[live] = SCOPES[self.rule.scope](normalised)
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

    def meet(self, target: float) -> int:
        """The smallest count that removes the target, or the largest there is."""
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
