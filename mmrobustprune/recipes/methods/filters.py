"""Filters that compete within their layer, and L1Norm-A and -B, which remove them at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import ClassVar

from torch import nn

from mmrobustprune.cost.model import CostModel
from mmrobustprune.dependency import Group
from mmrobustprune.dependency.groups import find_layer
from mmrobustprune.dependency.kinds import kind_of
from mmrobustprune.masks import RankedSelection
from mmrobustprune.masks.limits import limits_of
from mmrobustprune.recipes.facts import Facts
from mmrobustprune.recipes.fields import fixed
from mmrobustprune.recipes.gradual import Recipe
from mmrobustprune.scores.base import producing


@dataclass(frozen=True)
class FilterRecipe(Recipe):
    """Every layer loses the least of its own filters, a share that is the same or given.

    Args:
        target: fraction removed of `budget`, in (0, 1); None takes the rates as they are.
        rates: {pattern of layer names: the share of its filters that a layer loses}; layers that no
            pattern matches lose none, and without any pattern all lose the same share. With a
            target the rates are multiplied by what it needs.
        coupled: whether layers that a sum ties together lose filters, too, by the sum of their
            scores.
    """

    target: float | None = None
    score: dict = field(default_factory=lambda: dict(type='FilterNorm', p=1))
    scope: str = fixed('layer')
    normalise: str = fixed('none')
    per: str = fixed('unit')
    weigh: str = fixed('none')
    min_keep: float = 0.0
    warmup: float | str = 0
    rounds: int | None = 1
    prune: float | str | None = 0
    recalibrate: str = ''
    rates: dict | str = field(default_factory=dict)
    coupled: bool = False

    def check_amount(self) -> None:
        if self.target is not None:
            super().check_amount()
        elif not self.rates:
            raise ValueError(
                'robust_prune has neither target nor rates; say target=0.5 to remove half, or '
                "rates={'backbone.layer1': 0.3} for the shares of single layers."
            )

    def chosen(self, model: nn.Module, groups: Iterable[Group]) -> tuple[Group, ...]:
        if self.coupled:
            return tuple(groups)
        return tuple(group for group in groups if _makers(model, group) == 1)

    def selection(self, model: nn.Module, cost: CostModel) -> RankedSelection:
        selection = super().selection(model, cost)
        if not self.rates:
            return selection
        return replace(selection, rates=limits_of(model, cost.groups, self.rates, 'rates'))


def _makers(model: nn.Module, group: Group) -> int:
    """How many layers make the channels of a group out of others."""
    kinds = (kind_of(find_layer(model, part.layer)) for part in producing(model, group))
    return sum('in' in kind.dims for kind in kinds)


@dataclass(frozen=True)
class L1Norm(FilterRecipe):
    """L1Norm-A and -B (arXiv:1608.08710): filters of the least L1 norm go before the training.

    A takes the same rate in every layer and leaves sensitive ones (`ignore`) as they are; B has a
    rate for every stage (`rates`). Of residual blocks the inner layers lose filters.
    """

    method: ClassVar[str] = 'L1Norm'
    facts: ClassVar[Facts] = Facts(
        paper='Li et al., ICLR 2017', setup='sensitive layers are left out by hand'
    )
