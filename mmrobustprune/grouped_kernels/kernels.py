"""One convolution as groups of filters, and what can be chosen in it: grouped kernels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from mmrobustprune.scores.roughness import energy, roughness


def minkowski(vectors: Tensor, p: float) -> Tensor:
    """Distances (n, C, C) of vectors (n, C, D): (sum |difference|^p)^(1/p)."""
    # the faster mode through a matrix product is not exact
    return torch.cdist(vectors, vectors, p, compute_mode='donot_use_mm_for_euclid_dist')


def angular(vectors: Tensor) -> Tensor:
    """Distances (n, C, C) of vectors (n, C, D): 1 - their cosine, 0 on the diagonal."""
    unit = vectors / vectors.norm(dim=-1, keepdim=True).clamp_min(1e-12)
    distance = (1 - unit @ unit.mT).clamp_min(0)
    distance.diagonal(dim1=-2, dim2=-1).zero_()
    return distance


METRICS: dict[str, Callable[[Tensor], Tensor]] = {
    'euclidean': lambda vectors: minkowski(vectors, 2),
    'manhattan': lambda vectors: minkowski(vectors, 1),
    'chebyshev': lambda vectors: minkowski(vectors, torch.inf),
    'cosine': angular,
}


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
    def vectors(self) -> Tensor:
        """(n, C, O/n * kh * kw): each grouped kernel in one row."""
        return self.weight.transpose(1, 2).flatten(2)

    @cached_property
    def similarity(self) -> Tensor:
        """(n, C, C): 1 - Euclidean distance of two grouped kernels of a group."""
        return self.similarity_by('euclidean')

    def similarity_by(self, metric: str) -> Tensor:
        """(n, C, C): 1 - distance by a metric of METRICS, 1 on the diagonal."""
        return METRICS[metric](self.vectors).neg_().add_(1)


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
