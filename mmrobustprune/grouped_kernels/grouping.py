"""Which filters form a group: SR-GKP's first stage and what it is compared with."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from mmrobustprune.scores.roughness import size


class Grouping:
    """Deals the filters of a convolution into groups of equal size."""

    def __call__(self, layer: str, weight: Tensor, groups: int) -> Tensor:
        """The group (O,) of every filter of a weight (O, C, kh, kw), float64; every group has O / groups of them."""
        raise NotImplementedError


@dataclass(frozen=True)
class Snaking(Grouping):
    """SR-GKP's (section 3.2.1): filters by smoothness, dealt out to and fro, so that the groups' sums are alike.

    The p-th smoothest filter goes to group c = p mod n on even rounds p // n and to n - 1 - c on odd ones.

    Attributes:
        by: 'smoothness' (1x1 kernels, which have none: their energy), or 'sum': by the sum of the weights, largest first.
    """

    by: str = 'smoothness'

    def __post_init__(self) -> None:
        if self.by not in _ORDERS:
            raise ValueError(f"by='{self.by}' is not known; give one of {sorted(_ORDERS)}.")

    def __call__(self, layer: str, weight: Tensor, groups: int) -> Tensor:
        return self.deal(_ORDERS[self.by](weight).argsort(stable=True), groups)

    def deal(self, order: Tensor, groups: int) -> Tensor:
        """Labels (O,) for filters that are dealt in this order (O,)."""
        place = torch.arange(len(order), device=order.device)
        column, odd = place % groups, place // groups % 2 == 1
        return torch.empty_like(order).scatter_(
            0, order, torch.where(odd, groups - 1 - column, column)
        )


_ORDERS = {
    'smoothness': lambda weight: size(weight).sum(1),
    'sum': lambda weight: -weight.sum((1, 2, 3)),
}


@dataclass(frozen=True)
class Ordered(Snaking):
    """By smoothness, dealt out always in the same direction: the first group is the smoothest."""

    def deal(self, order: Tensor, groups: int) -> Tensor:
        return torch.empty_like(order).scatter_(
            0, order, torch.arange(len(order), device=order.device) % groups
        )


@dataclass(frozen=True)
class RandomGroups(Grouping):
    """Chance, fixed by ``seed`` and the layer's name."""

    seed: int = 0

    def __call__(self, layer: str, weight: Tensor, groups: int) -> Tensor:
        order = torch.randperm(len(weight), generator=generator(self.seed, layer)).to(weight.device)
        return order % groups


@dataclass(frozen=True)
class Given(Grouping):
    """Labels that were decided elsewhere.

    Attributes:
        labels: layer -> the group of every filter.
    """

    labels: Mapping[str, Sequence[int]] = field(repr=False)

    def __call__(self, layer: str, weight: Tensor, groups: int) -> Tensor:
        if layer not in self.labels:
            raise ValueError(
                f"no labels were given for '{layer}'; give the group of each of its {len(weight)} filters."
            )
        return torch.as_tensor(self.labels[layer], dtype=torch.int64, device=weight.device)


def generator(seed: int, layer: str) -> torch.Generator:
    """Random numbers of one layer, whatever is pruned beside it."""
    return torch.Generator().manual_seed(zlib.crc32(f'{seed}/{layer}'.encode()))


def filter_order(layer: str, labels: Tensor, filters: int, groups: int) -> Tensor:
    """Filters (O,) block by block, in a block as they were.

    Raises:
        ValueError: the labels are not ``groups`` groups of equal size.
    """
    counts = torch.bincount(labels, minlength=groups) if labels.min() >= 0 else labels
    if labels.shape != (filters,) or counts.tolist() != [filters // groups] * groups:
        raise ValueError(
            f"the grouping of '{layer}' does not give each of {groups} groups {filters // groups} of its "
            f'{filters} filters; give labels 0 to groups - 1, equally often.'
        )
    return labels.argsort(stable=True)
