"""Groups of filters that lie dense: DBSCAN with clusters of equal size."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .grouping import Grouping


@dataclass(frozen=True)
class DBSCAN(Grouping):
    """DBSCAN's way of growing clusters, each of them closed as soon as it is full.

    A cluster begins at the free filter with the most free ones within the radius, takes in the free
    filter that is nearest to any of its members, one after the other, and is full with O / groups
    of them. TMI-GKP (ICLR 2022) names a same-size DBSCAN and not how sizes are made equal: that is
    our reading.

    Attributes:
        neighbours: the radius is the median distance of a filter to its so-manieth nearest.
    """

    neighbours: int = 4

    def __call__(self, layer: str, weight: Tensor, groups: int) -> Tensor:
        rows = weight.flatten(1)
        count = len(rows)
        distance = torch.cdist(rows, rows, compute_mode='donot_use_mm_for_euclid_dist')
        radius = distance.sort(1).values[:, min(self.neighbours, count - 1)].median()
        near = distance <= radius
        labels = torch.full((count,), -1, device=weight.device)
        for group in range(groups):
            free = labels < 0
            crowd = (near & free).sum(1).masked_fill(~free, -1)
            self._grow(labels, int(crowd.argmax()), group, distance, count // groups)
        return labels

    @staticmethod
    def _grow(labels: Tensor, start: int, group: int, distance: Tensor, size: int) -> None:
        """Label `start` and the size - 1 free filters that chains of least steps lead to."""
        reach = distance[start].clone()
        labels[start] = group
        for _ in range(size - 1):
            nearest = int(reach.masked_fill(labels >= 0, torch.inf).argmin())
            labels[nearest] = group
            reach = torch.minimum(reach, distance[nearest])
