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
        """The group of every filter; each group has O / groups of them.

        Args:
            layer: the convolution's name.
            weight: (O, C, kh, kw), float64.
            groups: their number, which divides O.

        Returns:
            (O,), labels from 0 on.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Snaking(Grouping):
    """SR-GKP's (section 3.2.1): filters by smoothness, dealt out to and fro.

    The p-th smoothest filter goes to group c = p mod n on even rounds p // n and to n - 1 - c on
    odd ones, so that the groups' sums are alike.

    Attributes:
        by: 'smoothness' (1x1 kernels, which have none: their energy), or 'sum': by the sum of the
            weights, largest first.

    Raises:
        ValueError: another `by`.
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
        column = place % groups
        backwards = place // groups % 2 == 1
        labels = torch.where(backwards, groups - 1 - column, column)
        return torch.empty_like(order).scatter_(0, order, labels)


_ORDERS = {
    'smoothness': lambda weight: size(weight).sum(1),
    'sum': lambda weight: -weight.sum((1, 2, 3)),
}


@dataclass(frozen=True)
class Ordered(Snaking):
    """By smoothness, dealt out always in the same direction: the first group is the smoothest."""

    def deal(self, order: Tensor, groups: int) -> Tensor:
        labels = torch.arange(len(order), device=order.device) % groups
        return torch.empty_like(order).scatter_(0, order, labels)


@dataclass(frozen=True)
class RandomGroups(Grouping):
    """Chance, fixed by `seed` and the layer's name.

    Attributes:
        seed: of the draw.
    """

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
                f"no labels were given for '{layer}'; give the group of each of its {len(weight)} "
                'filters.'
            )
        return torch.as_tensor(self.labels[layer], dtype=torch.int64, device=weight.device)


def generator(seed: int, layer: str) -> torch.Generator:
    """Random numbers of one layer, whatever is pruned beside it."""
    return torch.Generator().manual_seed(zlib.crc32(f'{seed}/{layer}'.encode()))


def filter_order(layer: str, labels: Tensor, filters: int, groups: int) -> Tensor:
    """Filters (O,) block by block, in a block as they were.

    Raises:
        ValueError: the labels are not `groups` groups of equal size.
    """
    counts = torch.bincount(labels, minlength=groups) if labels.min() >= 0 else labels
    if labels.shape != (filters,) or counts.tolist() != [filters // groups] * groups:
        raise ValueError(
            f"the grouping of '{layer}' does not give each of {groups} groups "
            f'{filters // groups} of its {filters} filters; give labels 0 to groups - 1, equally '
            'often.'
        )
    return labels.argsort(stable=True)
