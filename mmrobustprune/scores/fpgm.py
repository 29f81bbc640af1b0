"""Distance to the other filters."""

from __future__ import annotations

import torch
from torch import Tensor

from .base import FilterScore


class FPGM(FilterScore):
    """s_i = sum_j ||F_i - F_j||_2 over the filters of a layer, summed over coupled producers.

    Filters near the geometric median are replaceable (arXiv:1811.00250). Distances are those of the
    filters themselves, so opposite filters are far apart. Filters that are zero, which a mask
    removed, score zero and are nobody's neighbours.
    """

    def rows(self, weight: Tensor) -> Tensor:
        live = weight.ne(0).any(1).to(weight.dtype)
        exact = torch.cdist(weight, weight, compute_mode='donot_use_mm_for_euclid_dist')
        return exact @ live * live
