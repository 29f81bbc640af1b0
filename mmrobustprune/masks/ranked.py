"""The smallest removal of the lowest scores that meets a budget of channels, parameters or MACs."""

from __future__ import annotations

import math
import warnings
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from mmrobustprune.cost.model import CostModel
from mmrobustprune.dependency.groups import Group
from mmrobustprune.naming import unknown

from .ranking import SCOPES, WEIGH, Ranking
from .schedule import exponential
from .select import (
    NORMALISE,
    Selection,
    check_macs,
    check_min_keep,
    check_target,
    least_kept,
)

TOLERANCE = 0.01
PER = ('unit', 'cost')
TOLLS = np.geomspace(1e-3, 1e4, 64)  # from next to none to nothing but MACs


@dataclass(frozen=True)
class RankedSelection(Selection):
    """Ranks units by score and removes the lowest until a budget is met.

    Args:
        cost: counts what is left.
        budget: what the target is a removed fraction of, 'channels' (units), 'params' or 'macs'.
        scope: 'network' ranks all units together, their scores scaled group by group as
            `normalise` says; 'layer' takes the same share of every group, 'isomorphic' of every
            set of groups whose units are made of alike parts (arXiv:2407.04616).
        normalise: a name in NORMALISE.
        min_keep: share of its units that every group keeps at least, beside one unit.
        round_to: the kept units of a group that loses any are a multiple of it.
        limits: name of a group -> the largest fraction of its units that may go (`limits_of`).
        per: units compete by their score per 'unit', or per 'cost', divided by the share of the
            budget that they hold.
        macs: the largest fraction of the MACs that may go along; None is no limit.
        weigh: what a group is worth as a whole: as much as any other ('none'), the square of the
            number of layers that read its channels ('reads'), as what they lack adds up, the sum
            of the squares of its 'scores', or what the 'loss' tells (`weighed`).
        weights: what each group is worth instead, by name.
        rates: name of a group -> the share of its units that goes, in relation to the others: all
            are multiplied by what the target needs, and taken as they are where it is None. Groups
            that it leaves out lose nothing; None is the same for all. For scope 'layer'.

    Raises:
        ValueError: an unknown name, or a number out of its range.
    """

    cost: CostModel
    budget: str = 'params'
    scope: str = 'network'
    normalise: str = 'mean'
    min_keep: float = 0.1
    round_to: int | None = None
    limits: Mapping[str, float] = field(default_factory=dict)
    per: str = 'unit'
    macs: float | None = None
    weigh: str = 'none'
    weights: Mapping[str, float] | None = None
    rates: Mapping[str, float] | None = None

    def __post_init__(self):
        for what, name, allowed in (
            ('budget', self.budget, self.cost.dense),
            ('scope', self.scope, SCOPES),
            ('normalisation', self.normalise, NORMALISE),
            ('per', self.per, PER),
            ('weigh', self.weigh, WEIGH),
        ):
            if name not in allowed:
                raise unknown(what, name, allowed)
        check_min_keep(self.min_keep)
        if self.round_to is not None and self.round_to < 1:
            raise ValueError(f'round_to is a number of units of at least 1, not {self.round_to}.')
        check_macs(self.macs, self.budget, self.scope)
        if self.rates is not None and self.scope != 'layer':
            raise ValueError(
                f"rates are shares of single groups and go with scope='layer', not "
                f"scope='{self.scope}'; leave one of them away."
            )

    def most(self) -> float:
        """The largest fraction of the budget that may be removed from the dense network."""
        least = {g.name: self.rounded(self.least(g), g.units) for g in self.cost.groups}
        return round(self.cost.removed(least)[self.budget], 12)

    def removed(self, alive: dict[str, Tensor]) -> dict[str, float]:
        """The removed fraction of what the budget is of."""
        return {self.budget: self.cost.removed(alive)[self.budget]}

    def check(self, target: float | None) -> None:
        """Refuse a target that is no fraction, or more than can be removed; None is what rates say.

        Raises:
            ValueError: it is; the nearest feasible value is named.
        """
        check_target(target, self.cost.groups)
        if target is None:
            return
        most = self.most()
        if most < target:
            raise ValueError(
                f'{target:.3f} of the {self.budget} cannot be removed: the nearest feasible value '
                f'is {most:.4f}, with min_keep={self.min_keep}, round_to={self.round_to}, '
                f'{len(self.limits)} ratios and the layers that are unprunable; lower the target '
                'or min_keep.'
            )

    def admit(self, target: float) -> None:
        """Try the target with the units in their own order.

        Raises:
            ValueError: no choice meets it.
        """
        self.plan({g.name: torch.arange(1.0, g.units + 1) for g in self.cost.groups}, target)

    def plan(
        self,
        scores: dict[str, Tensor],
        target: float,
        alive: dict[str, Tensor] | None = None,
        candidates: dict[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """The units that live after the smallest removal that meets the target.

        The removed fraction lies in [target, target + 0.01]; the rest as in `Selection.plan`.
        """
        self.check(target)
        ranking = self._ranking(scores, alive if candidates is None else candidates, target)
        masks, reached, nearest = self._smallest(ranking, target)
        if target is not None and reached > target + TOLERANCE:
            raise self._unreachable(target, nearest)
        macs = self.cost.removed(masks)['macs']
        if self.macs is not None and macs > self.macs:
            raise ValueError(
                f'{reached:.3f} of the {self.budget} cannot go with at most {self.macs:.3f} of the '
                f'MACs: the nearest feasible value is {macs:.4f}; raise macs or lower the target.'
            )
        return masks

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

        The number of units that meets the target is found anew with each round's scores; the last
        round meets it as `plan` does, or warns and removes as little more as it can.
        """
        self.check(target)
        ranking = self._ranking(scores, alive if candidates is None else candidates, target)
        if this < rounds:
            ratio = ranking.meet(target) / ranking.units
            kept = exponential(ranking.units, ratio, rounds)[this - 1]
            return ranking.masks(max(ranking.units - kept, ranking.dead))
        masks, reached, nearest = self._smallest(ranking, target)
        if masks is None:
            raise self._unreachable(target, nearest)
        if target is not None and reached > target + TOLERANCE:  # an error would lose the training
            warnings.warn(
                f'no removal of {self.budget} lies within {TOLERANCE:.0%} above {target:.3f}; '
                f'{reached:.4f} are removed.',
                stacklevel=2,
            )
        return masks

    def _ranking(
        self, scores: dict[str, Tensor], alive: dict[str, Tensor] | None, target: float
    ) -> Ranking:
        """The order that meets the target with the least toll on MACs that keeps their limit."""
        if self.macs is None:
            return Ranking(self, scores, alive)

        def within(toll: float) -> bool:
            masks, _, _ = self._smallest(Ranking(self, scores, alive, toll), target)
            return masks is not None and self.cost.removed(masks)['macs'] <= self.macs

        if within(0.0):
            return Ranking(self, scores, alive)
        least = bisect_left(TOLLS[:-1], True, key=within)
        return Ranking(self, scores, alive, TOLLS[least])

    def _smallest(
        self, ranking: Ranking, target: float | None
    ) -> tuple[dict[str, Tensor] | None, float, float]:
        """The masks of the smallest removal that meets the target, None where none does.

        Returns:
            The masks, the fraction that they remove (infinite for None), and of the fractions that
            were tried the one nearest to the target.
        """
        if target is None:
            reached = ranking.removed(ranking.asked)
            return ranking.masks(ranking.asked), reached, reached
        masks = None
        smallest = math.inf
        tried = []
        while True:
            count = ranking.meet(target)
            reached = ranking.removed(count)
            if target <= reached < smallest:
                masks = ranking.masks(count)
                smallest = reached
            tried += [reached, ranking.removed(count - 1)]
            if reached <= target + TOLERANCE or count <= ranking.dead:
                nearest = min(tried, key=lambda value: abs(value - target))
                return masks, smallest, nearest
            ranking.hold(count)  # the next unit is too large a step: look for a smaller one

    def _unreachable(self, target: float, nearest: float) -> ValueError:
        return ValueError(
            f'no removal of {self.budget} lies within {TOLERANCE:.0%} above {target:.3f}: '
            f'the nearest feasible value is {nearest:.4f}; ask for it or lower round_to.'
        )

    def rate(self, group: Group) -> float:
        """How fast a group loses its units, in relation to the others."""
        return 1.0 if self.rates is None else self.rates.get(group.name, 0.0)

    def weight(self, group: Group, scores: np.ndarray) -> float:
        """What a group is worth as a whole, whose living units have these scores."""
        if self.weights is None:
            return WEIGH[self.weigh](group, scores)
        return self.weights[group.name]

    def rated(self, rates: Mapping[str, float]) -> RankedSelection:
        self._check_names('rates', set(rates) - self._names())
        return replace(self, rates=dict(rates))

    @property
    def needs_loss(self) -> bool:
        return self.weigh == 'loss' and self.weights is None

    def weighed(self, weights: Mapping[str, float]) -> RankedSelection:
        self._check_names('weights', set(weights) ^ self._names())
        return replace(self, weights=dict(weights))

    def _names(self) -> set[str]:
        return {group.name for group in self.cost.groups}

    def _check_names(self, what: str, odd: set[str]) -> None:
        """Refuse (ValueError) numbers of the groups of another network."""
        if odd:
            raise ValueError(
                f"{what} are those of another network: group '{min(odd)}' is in only one of them; "
                'let them be found for this network.'
            )

    def least(self, group: Group) -> int:
        """Units that a group keeps at least."""
        return least_kept(group.units, self.min_keep, self.limits.get(group.name, 1.0))

    def rounded(self, kept: int, alive: int) -> int:
        """The next multiple of `round_to`, or all that are alive where there are fewer."""
        step = self.round_to or 1
        return min(math.ceil(kept / step) * step, alive)
