"""What all tensor functions share: random numbers of a batch, to [0, 1] and back to levels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmrobustprune.corruption.functions import Draws


class BatchDraws:
    """Random numbers of the images of a batch: drawn on the CPU, for each image from its own.

    Args:
        each: per image.
        device: where they are needed.
    """

    def __init__(self, each: Sequence[Draws], device: torch.device | str) -> None:
        self.each = each
        self.device = device

    def take(self, draw: Callable[[Draws], np.ndarray]) -> Tensor:
        """(N, ...) what `draw` makes of the generator of each image."""
        return torch.from_numpy(np.stack([draw(one) for one in self.each])).to(self.device)

    def pixels(self, draw: Callable[[Draws], np.ndarray]) -> Tensor:
        """(N, C, H, W) of arrays (H, W, C), as images are."""
        return self.take(draw).permute(0, 3, 1, 2)


TensorFunction = Callable[[Tensor, Any, BatchDraws], Tensor]


def in_unit(images: Tensor, dtype: torch.dtype = torch.float64) -> Tensor:
    """Levels as fractions of 255, each divided in the precision of `dtype`."""
    return images.to(dtype) / 255


def scaled(unit: Tensor) -> Tensor:
    """Clipped to [0, 1], times 255."""
    return unit.clamp(0, 1) * 255


def size_of(images: Tensor) -> tuple[int, int, int]:
    """(H, W, C), the shape that random numbers for every value of an image have."""
    return (*images.shape[2:], images.shape[1])


def to_arrays(images: Tensor) -> np.ndarray:
    """(N, H, W, 3) uint8 on the CPU, truncated."""
    return images.to(torch.uint8).permute(0, 2, 3, 1).contiguous().cpu().numpy()


def to_images(arrays: np.ndarray, device: torch.device | str) -> Tensor:
    """(N, 3, H, W) float64 of uint8 (N, H, W, 3)."""
    return torch.tensor(arrays, device=device).permute(0, 3, 1, 2).to(torch.float64)
