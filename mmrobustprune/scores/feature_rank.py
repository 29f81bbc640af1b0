"""Ranks of feature maps."""

from __future__ import annotations

import torch
from torch import Tensor

from .feature_maps import FeatureMaps


class FeatureRank(FeatureMaps):
    """s_i = mean over images of the rank of channel i's map, an H x W matrix (arXiv:2002.10179)."""

    def values(self, maps: Tensor) -> Tensor:
        return torch.linalg.matrix_rank(maps.float())
