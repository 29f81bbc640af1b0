"""Who decides which units stay: the protocol of every selection, and what all of them check."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
from torch import Tensor

from mmrobustprune.dependency.groups import Group

POWER = 1.25  # of the shares that are gone: the loss rises faster than they do


def share_of_rest(scores: np.ndarray) -> np.ndarray:
    """s_i^2 over the sum of s_j^2 of all that are no smaller (LAMP, arXiv:2010.07611), in (0, 1].

    The last unit of a group has 1, and what is left of a group has the same numbers as before.
    """
    order = np.argsort(scores, kind='stable')
    squares = (scores[order] / (np.abs(scores).max(initial=0.0) or 1.0)) ** 2
    rest = np.cumsum(squares[::-1])[::-1]
    shares = np.empty(len(scores))
    shares[order] = squares / np.maximum(rest, np.finfo(float).tiny)
    return shares


def rise(scores: np.ndarray) -> np.ndarray:
    """What each unit adds to E^1.25 where E is the sum of the shares of it and of all below it.

    Shares are those of `share_of_rest`. The loss is a convex function of what a group has lost.
    """
    order = np.argsort(scores, kind='stable')
    gone = np.cumsum(share_of_rest(scores)[order]) ** POWER
    rises = np.empty(len(scores))
    rises[order] = np.diff(gone, prepend=0.0)
    return rises


NORMALISE = {
    'rise': rise,
    'share': share_of_rest,
    'mean': lambda s: s / (s.mean() or 1.0),
    'max': lambda s: s / (s.max() or 1.0),
    'l2': lambda s: s / (np.linalg.norm(s) or 1.0),
    'none': lambda s: s,
}


class Selection:
    """Decides which units stay so that a budget is met; `target` is the fraction removed of it.

    A choice is {group: bool (units,)}, the units that live. Removed units stay removed, unless
    `candidates` names them among the units that may live: while masks are soft (`SoftMaskSet`)
    a unit can come back so.
    """

    def check(self, target: float) -> None:
        """Refuse a target that is no fraction, or more than can be removed.

        Raises:
            ValueError: it is; the nearest feasible value is named.
        """
        raise NotImplementedError

    def admit(self, target: float) -> None:
        """Refuse at the start what would fail at the end; by default what `check` refuses.

        Raises:
            ValueError: no choice meets the target.
        """
        self.check(target)

    def plan(
        self,
        scores: dict[str, Tensor],
        target: float,
        alive: dict[str, Tensor] | None = None,
        candidates: dict[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """The units that live once the target is met.

        Args:
            scores: (units,) of each group, higher is kept.
            target: fraction removed, in (0, 1).
            alive: bool (units,) of each group, the units that live now; by default all.
            candidates: bool (units,) of each group, the units that may live; by default `alive`.
        Raises:
            ValueError: the target cannot be met; the nearest feasible value is named.
        """
        raise NotImplementedError

    def step(
        self,
        scores: dict[str, Tensor],
        target: float,
        alive: dict[str, Tensor],
        this: int,
        rounds: int,
        candidates: dict[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """The units that live after round `this` of 1 to `rounds`; the rest as in `plan`."""
        raise NotImplementedError

    @property
    def needs_search(self) -> bool:
        """Whether `search` must find `rated` before the first choice."""
        return False

    def search(
        self, scores: dict[str, Tensor], target: float, judge: Callable[[dict[str, Tensor]], float]
    ) -> dict:
        """The record of a search, with the best `rates` that it found.

        Args:
            scores: as in `plan`.
            target: as in `plan`.
            judge: of a choice, lower is better.
        """
        return {}

    def rated(self, rates: Mapping[str, float]) -> Selection:
        """The same selection, told at which rates groups lose units."""
        return self

    @property
    def needs_loss(self) -> bool:
        """Whether `weighed` must be told what each group is worth to the loss."""
        return False

    def weighed(self, weights: Mapping[str, float]) -> Selection:
        """The same selection, told what each group is worth (`loss_weights`)."""
        return self

    def removed(self, alive: dict[str, Tensor]) -> dict[str, float]:
        """The removed fraction of what the budget is of, by its name."""
        raise NotImplementedError

    def report(self) -> dict[str, float]:
        """Figures of the last choice for the record of a round; none by default."""
        return {}


def check_target(target: float | None, groups: tuple[Group, ...]) -> None:
    """Refuse a target that is neither None nor a fraction, and a network without groups.

    Raises:
        ValueError: it is one of these.
    """
    if target is not None and not 0 < target < 1:
        raise ValueError(f'the target is the fraction removed, in (0, 1), not {target}.')
    if not groups:
        raise ValueError(
            'nothing can be pruned: every layer is unprunable; see Trace.unprunable for the '
            'reasons.'
        )


def check_min_keep(min_keep: float) -> None:
    """Refuse a `min_keep` that is no fraction.

    Raises:
        ValueError: it is not.
    """
    if not 0 <= min_keep < 1:
        raise ValueError(f'min_keep is a fraction of units in [0, 1), not {min_keep}.')


def least_kept(units: int, min_keep: float, most: float = 1.0) -> int:
    """Units that a group of this many keeps at least: the share `min_keep`, and one.

    Args:
        most: the largest fraction of them that may go; .3 of 10 are 3, in floats too.
    """
    return max(1, math.ceil(min_keep * units), units - math.floor(most * units + 1e-9))


def check_macs(macs: float | None, budget: str, scope: str) -> None:
    """Refuse a limit of the MACs that is no fraction, or that nothing could keep.

    Raises:
        ValueError: it is one of these.
    """
    if macs is None:
        return
    number = isinstance(macs, (int, float)) and not isinstance(macs, bool)
    if not number or not 0 < macs < 1:
        raise ValueError(f'macs is the largest fraction removed, in (0, 1), not {macs!r}.')
    if budget == 'macs' or scope != 'network':
        raise ValueError(
            f"macs={macs} limits what a budget of params takes along from the whole 'network'; "
            f"with budget='{budget}' and scope='{scope}' leave it away."
        )


def finite_scores(scores: dict[str, Tensor], group: Group) -> np.ndarray:
    """Scores (units,) of a group in float64.

    Raises:
        ValueError: their number is not that of the units, or one of them is not finite.
    """
    score = scores[group.name].detach().double().cpu().numpy()
    if score.shape != (group.units,) or not np.isfinite(score).all():
        raise ValueError(
            f"the scores of '{group.name}' must be {group.units} finite numbers; check the score "
            'and the weights.'
        )
    return score
