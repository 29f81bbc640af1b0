"""Size of a layer's own filters."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .base import FilterScore


@dataclass
class FilterNorm(FilterScore):
    """s_i = ||F_i||_p of the filters that make channel i, summed over coupled producers.

    What the next layers read of it does not count (arXiv:1608.08710), other than in `Magnitude`.

    Args:
        p: 1 or 2.
    """

    p: float = 1

    def __post_init__(self):
        if self.p not in (1, 2):
            raise ValueError(f'FilterNorm takes p=1 or p=2, not {self.p}.')

    def rows(self, weight: Tensor) -> Tensor:
        return torch.linalg.vector_norm(weight, self.p, dim=1)
