"""Which units go: the smallest removal of the lowest scores that meets a budget."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mmrobustprune.cost.model import CostModel
from mmrobustprune.dependency.groups import full
from mmrobustprune.naming import unknown

from .schedule import exponential

TOLERANCE = 0.01

NORMALISE = {
    'mean': lambda s: s / (s.mean() or 1.0),
    'max': lambda s: s / (s.max() or 1.0),
    'l2': lambda s: s / (np.linalg.norm(s) or 1.0),
    'none': lambda s: s,
}
SCOPES = {
    'network': lambda s: s,  # scores compete everywhere
    'layer': lambda s: np.argsort(np.argsort(s, kind='stable')) / len(s),  # same share in each
}


@dataclass(frozen=True)
class Selection:
    """Ranks units by score and removes the lowest until a budget is met.

    ``budget`` names what the target is a removed fraction of: 'channels' (units), 'params' or
    'macs'. ``scope`` 'network' ranks all units together, their scores divided group by group as
    ``normalise`` says ('mean', 'max', 'l2', 'none'); 'layer' takes the same share of every group.
    Every group keeps at least the share ``min_keep`` of its units, and one. With ``round_to`` the
    kept units of a group that loses any are a multiple of it. Raises ValueError for unknown names.
    """

    cost: CostModel
    budget: str = 'params'
    scope: str = 'network'
    normalise: str = 'mean'
    min_keep: float = 0.1
    round_to: int | None = None

    def __post_init__(self):
        for what, name, allowed in (
            ('budget', self.budget, self.cost.dense),
            ('scope', self.scope, SCOPES),
            ('normalisation', self.normalise, NORMALISE),
        ):
            if name not in allowed:
                raise unknown(what, name, allowed)
        if not 0 <= self.min_keep < 1:
            raise ValueError(f'min_keep is a fraction of units in [0, 1), not {self.min_keep}.')
        if self.round_to is not None and self.round_to < 1:
            raise ValueError(f'round_to is a number of units of at least 1, not {self.round_to}.')

    def most(self) -> float:
        """The largest fraction of the budget that may be removed from the dense network."""
        return self.cost.removed(
            {g.name: self._up(self._floor(g.units), g.units) for g in self.cost.groups}
        )[self.budget]

    def removed(self, alive: dict[str, Tensor]) -> dict[str, float]:
        """The removed fraction of what the budget is of."""
        return {self.budget: self.cost.removed(alive)[self.budget]}

    def check(self, target: float) -> None:
        """ValueError where the target is no fraction, or more than can be removed."""
        if not 0 < target < 1:
            raise ValueError(f'the target is the fraction removed, in (0, 1), not {target}.')
        if not self.cost.groups:
            raise ValueError(
                'nothing can be pruned: every layer is unprunable; see Trace.unprunable for the reasons.'
            )
        if self.most() < target:
            raise ValueError(
                f'{target:.3f} of the {self.budget} cannot be removed: the nearest feasible value '
                f'is {self.most():.4f}, with min_keep={self.min_keep}, round_to={self.round_to} '
                'and the layers that are unprunable; lower the target or min_keep.'
            )

    def admit(self, target: float) -> None:
        """ValueError where no removal meets the target, tried with the units in their own order."""
        self.plan({g.name: torch.arange(1.0, g.units + 1) for g in self.cost.groups}, target)

    def plan(
        self, scores: dict[str, Tensor], target: float, alive: dict[str, Tensor] | None = None
    ) -> dict[str, Tensor]:
        """The alive masks (units,) per group after the smallest removal that meets the target.

        ``scores`` (units,) per group, higher is kept; dead units of ``alive`` stay dead. The
        removed fraction lies in [target, target + 0.01]; ValueError, with the nearest feasible
        value, where it cannot.
        """
        return self._plan(scores, target, alive, strict=True)

    def _plan(
        self,
        scores: dict[str, Tensor],
        target: float,
        alive: dict[str, Tensor] | None,
        strict: bool,
    ) -> dict[str, Tensor]:
        self.check(target)
        ranking = _Ranking(self, scores, alive)
        tried, above = [], None  # above: the smallest removal beyond the tolerance
        while True:
            count = ranking.meet(target)
            reached = ranking.removed(count)
            if target <= reached <= target + TOLERANCE:
                return ranking.masks(count)
            if target <= reached and (above is None or reached < above[0]):
                above = reached, ranking.masks(count)
            tried += [reached, ranking.removed(count - 1)]
            if reached < target or count <= ranking.dead:
                if above is not None and not strict:
                    warnings.warn(
                        f'no removal of {self.budget} lies within {TOLERANCE:.0%} above {target:.3f}; '
                        f'{above[0]:.4f} are removed.',
                        stacklevel=3,
                    )
                    return above[1]
                nearest = min(tried, key=lambda value: abs(value - target))
                raise ValueError(
                    f'no removal of {self.budget} lies within {TOLERANCE:.0%} above {target:.3f}: '
                    f'the nearest feasible value is {nearest:.4f}; ask for it or lower round_to.'
                )
            ranking.hold(count)  # the next unit is too large a step: look for a smaller one

    def step(
        self,
        scores: dict[str, Tensor],
        target: float,
        alive: dict[str, Tensor],
        this: int,
        rounds: int,
    ) -> dict[str, Tensor]:
        """The alive masks after round ``this`` of 1..rounds on the exponential schedule.

        The number of units that meets the target is found anew with each round's scores; the last
        round meets it as `plan` does, or warns and removes as little more as it can.
        """
        if this == rounds:
            return self._plan(scores, target, alive, strict=False)  # or a training would be lost
        self.check(target)
        ranking = _Ranking(self, scores, alive)
        ratio = ranking.meet(target) / ranking.units
        kept = exponential(ranking.units, ratio, rounds)[this - 1]
        return ranking.masks(max(ranking.units - kept, ranking.dead))

    def _floor(self, units: int) -> int:
        return max(1, math.ceil(self.min_keep * units))

    def _up(self, kept: int, alive: int) -> int:
        step = self.round_to or 1
        return min(math.ceil(kept / step) * step, alive)


class _Ranking:
    """All units in the order in which they go: dead ones first, protected ones never."""

    def __init__(self, rule: Selection, scores: dict[str, Tensor], alive: dict[str, Tensor] | None):
        self.rule, self.groups = rule, rule.cost.groups
        keys, owners = [], []
        for i, group in enumerate(self.groups):
            score = scores[group.name].detach().double().cpu().numpy()
            if score.shape != (group.units,) or not np.isfinite(score).all():
                raise ValueError(
                    f"the scores of '{group.name}' must be {group.units} finite "
                    'numbers; check the score and the weights.'
                )
            live = (alive or full(self.groups))[group.name].cpu().numpy()
            key = np.full(group.units, -np.inf)
            key[live] = SCOPES[rule.scope](NORMALISE[rule.normalise](score[live]))
            order = np.lexsort((score, key))
            key[order[group.units - min(rule._floor(group.units), int(live.sum())) :]] = np.inf
            keys.append(key)
            owners.append(np.full(group.units, i))
        self.keys, self.key, owner = keys, np.concatenate(keys), np.concatenate(owners)
        self.order = owner[np.argsort(self.key, kind='stable')]
        self.units = len(self.key)
        self.dead = int((self.key == -np.inf).sum())
        self.last = self.units - int((self.key == np.inf).sum())
        self.held: dict[str, int] = {}

    def kept(self, count: int) -> dict[str, int]:
        """Units left in each group when the first ``count`` units go."""
        gone = np.bincount(self.order[: max(count, self.dead)], minlength=len(self.groups))
        return {
            g.name: self.rule._up(g.units - int(n), int((key > -np.inf).sum()))
            for g, n, key in zip(self.groups, gone, self.keys, strict=True)
        } | self.held

    def hold(self, count: int) -> None:
        """From now on keep in the group of the unit before ``count`` what is kept without it."""
        name = self.groups[self.order[count - 1]].name
        self.held[name] = self.kept(count - 1)[name]

    def removed(self, count: int) -> float:
        return self.rule.cost.removed(self.kept(count))[self.rule.budget]

    def meet(self, target: float) -> int:
        """The smallest count that removes the target, or the largest there is."""
        low, high = self.dead, self.last
        while low < high:
            middle = (low + high) // 2
            if self.removed(middle) >= target:
                high = middle
            else:
                low = middle + 1
        return low

    def masks(self, count: int) -> dict[str, Tensor]:
        alive = {}
        for group, key in zip(self.groups, self.keys, strict=True):
            gone = np.argsort(key, kind='stable')[: group.units - self.kept(count)[group.name]]
            alive[group.name] = torch.ones(group.units, dtype=torch.bool)
            alive[group.name][torch.from_numpy(gone)] = False
        return alive
