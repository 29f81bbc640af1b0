"""Groups of similar filters: k-means with clusters of equal size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from .grouping import Grouping, generator


def plain(rows: Tensor, size: int) -> Tensor:
    """The filters themselves, (O, D)."""
    return rows


def kernel_pca(rows: Tensor, size: int) -> Tensor:
    """The leading components (O, size) of a centred kernel matrix (TMI-GKP, ICLR 2022).

    The kernel is 0.5 (W W^T)^2 + 0.5 exp(-|w - w'|^2 / D).
    """
    products = (rows @ rows.T).square()
    distances = torch.cdist(rows, rows).square() / rows.shape[1]
    kernel = 0.5 * products + 0.5 * (-distances).exp()
    centre = torch.eye(len(rows), dtype=rows.dtype, device=rows.device) - 1 / len(rows)
    values, vectors = torch.linalg.eigh(centre @ kernel @ centre)
    return vectors[:, -size:] * values[-size:].clamp_min(0).sqrt()


def spectral(rows: Tensor, size: int, neighbours: int = 16) -> Tensor:
    """The smoothest directions (O, size) of the graph of mutual nearest neighbours by cosine."""
    unit = rows / rows.norm(dim=1, keepdim=True).clamp_min(1e-12)
    cosine = (unit @ unit.T).fill_diagonal_(-torch.inf)
    nearest = cosine.topk(min(neighbours, len(rows) - 1)).indices
    near = torch.zeros_like(cosine).scatter_(1, nearest, 1)
    graph = near * near.T
    scale = graph.sum(1).clamp_min(1).rsqrt()
    values, vectors = torch.linalg.eigh(graph * scale[:, None] * scale)
    return vectors[:, -size:]


EMBEDDINGS: dict[str, Callable[[Tensor, int], Tensor]] = {
    'plain': plain,
    'kernel_pca': kernel_pca,
    'spectral': spectral,
}


@dataclass(frozen=True)
class Clustered(Grouping):
    """k-means of the filters with an optimal assignment to clusters of equal size in every round.

    Attributes:
        embedding: 'plain', 'kernel_pca' or 'spectral', of which the first `groups` dimensions are
            clustered.
        rounds: at most so many.
        seed: of the first centres.

    Raises:
        ValueError: an unknown embedding.
    """

    embedding: str = 'plain'
    rounds: int = 50
    seed: int = 0

    def __post_init__(self) -> None:
        if self.embedding not in EMBEDDINGS:
            raise ValueError(
                f"embedding='{self.embedding}' is not known; give one of {sorted(EMBEDDINGS)}."
            )

    def __call__(self, layer: str, weight: Tensor, groups: int) -> Tensor:
        points = EMBEDDINGS[self.embedding](weight.flatten(1), min(groups, len(weight))).cpu()
        centres = points[torch.tensor(spread(points, groups, generator(self.seed, layer)))]
        labels = None
        size = len(points) // groups
        for _ in range(self.rounds):
            cost = torch.cdist(points, centres).square().repeat_interleave(size, 1)
            _, place = linear_sum_assignment(cost.numpy())  # a column is a place in a cluster
            found = torch.as_tensor(place) // size
            if labels is not None and torch.equal(found, labels):
                break
            labels = found
            centres = torch.stack([points[labels == group].mean(0) for group in range(groups)])
        return labels.to(weight.device)


def spread(points: Tensor, count: int, random: torch.Generator) -> list[int]:
    """Indices of `count` points (n, D) far from one another.

    Each is drawn with probability as its squared distance to the nearest so far.
    """
    chosen = [int(torch.randint(len(points), (), generator=random))]
    nearest = torch.full((len(points),), torch.inf, dtype=points.dtype)
    while len(chosen) < count:
        nearest = torch.minimum(nearest, (points - points[chosen[-1]]).square().sum(1))
        away = nearest.index_fill(0, torch.tensor(chosen), 0)
        if not away.sum() > 0:  # the others are copies of these
            away = torch.ones_like(nearest).index_fill(0, torch.tensor(chosen), 0)
        chosen.append(int(torch.multinomial(away, 1, generator=random)))
    return chosen
