"""Average pooling to a small grid, flattened."""

from __future__ import annotations

from mmengine.model import BaseModule
from torch import Tensor, nn

from mmrobustprune.registry import MODELS


@MODELS.register_module()
class AdaptivePooling(BaseModule):
    """The mean of each cell of a size x size grid.

    Takes ((batch, C, H, W), ...) and returns ((batch, C size^2), ...).

    Args:
        size: side of the grid, at least 1; 1 is GlobalAveragePooling.
    Raises:
        ValueError: a side below 1.
    """

    def __init__(self, size: int = 2) -> None:
        super().__init__()
        if size < 1:
            raise ValueError(f'size={size} is below 1; give the side of the grid, 2 for HYDRA.')
        self.pool = nn.AdaptiveAvgPool2d(size)

    def forward(self, features: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return tuple(self.pool(feature).flatten(1) for feature in features)
