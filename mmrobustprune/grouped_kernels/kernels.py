"""One convolution as groups of filters, and what can be chosen in it: grouped kernels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from mmrobustprune.scores.roughness import energy, roughness


@dataclass(frozen=True, eq=False)
class GroupedKernels:
    """The weight of a convolution, filters sorted by group.

    A grouped kernel is what one group of filters applies to one input channel: O/n kernels that
    stay or go together.

    Attributes:
        layer: the convolution's name.
        weight: (n, O/n, C, kh, kw), float64.
    """

    layer: str
    weight: Tensor

    @property
    def groups(self) -> int:
        return self.weight.shape[0]

    @property
    def channels(self) -> int:
        """C, the number of grouped kernels in a group."""
        return self.weight.shape[2]

    @cached_property
    def roughness(self) -> Tensor:
        """(n, C), summed over the kernels of a grouped kernel."""
        return roughness(self.weight).sum(1)

    @cached_property
    def energy(self) -> Tensor:
        """(n, C), sum of squares."""
        return energy(self.weight).sum(1)

    @cached_property
    def similarity(self) -> Tensor:
        """(n, C, C): 1 - Euclidean distance of two grouped kernels of a group."""
        vectors = self.weight.transpose(1, 2).flatten(2)
        # the faster mode through a matrix product is not exact
        return (
            torch.cdist(vectors, vectors, compute_mode='donot_use_mm_for_euclid_dist')
            .neg_()
            .add_(1)
        )


def arrange(layer: str, weight: Tensor, order: Tensor, groups: int) -> GroupedKernels:
    """The grouped kernels of a weight.

    Args:
        layer: the convolution's name.
        weight: (O, C, kh, kw).
        order: (O,), the filters block by block.
        groups: their number.
    """
    weight = weight.detach().to(torch.float64)[order.to(weight.device)]
    return GroupedKernels(layer, weight.unflatten(0, (groups, -1)))


def score(similarity: Tensor, kept: Tensor, beta: float | None = None) -> Tensor:
    """SR-GKP's equation 3, larger is better.

    The sum of distances within the kept - beta * the sum of the others' to their nearest kept one.

    Args:
        similarity: (n, C, C).
        kept: (n, K).
        beta: None for (pairs of kept) / (number of others), the paper's.

    Returns:
        (n,)
    """
    count = kept.shape[1]
    channels = similarity.shape[-1]
    if beta is None:
        beta = count * (count - 1) / 2 / (channels - count)
    distance = 1 - similarity
    rows = distance.gather(1, kept[..., None].expand(-1, -1, channels))  # (n, K, C)
    within = rows.gather(2, kept[:, None].expand(-1, count, -1)).sum((1, 2)) / 2
    return within - beta * rows.amin(1).sum(1)  # a kept one is at distance 0 of itself
