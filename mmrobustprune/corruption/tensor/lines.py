"""What is done along the lines of images: Gaussian blur, enlarging, motion, on tensors."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor

from mmrobustprune.corruption.functions import kernels


def gaussian(
    images: Tensor, sigma: float | Sequence[float], mode: str = 'edge', truncate: float = 4.0
) -> Tensor:
    """Gaussian blur over the last two axes, as `functions.kernels.gaussian`: $D X R^T$.

    Args:
        images: (..., H, W), float64, in which a GPU multiplies without rounding to TF32.
        sigma: pixels, one number or one per axis.
        mode: of `numpy.pad`.
        truncate: the radius in sigmas.
    """
    down, right = (
        blurring(size, float(width), mode, truncate, images.device)
        for size, width in zip(images.shape[-2:], np.broadcast_to(sigma, 2), strict=True)
    )
    return down @ images @ right.T


@lru_cache(maxsize=32)
def blurring(size: int, sigma: float, mode: str, truncate: float, device: torch.device) -> Tensor:
    """(size, size) what every pixel of a line gets from every other."""
    weights = kernels.gaussian_weights(sigma, truncate)
    reach = len(weights) - 1
    around = sliding_window_view(np.pad(np.arange(size), reach, mode), 2 * reach + 1)
    matrix = np.zeros((size, size))
    shares = weights[np.abs(np.arange(-reach, reach + 1))]
    np.add.at(matrix, (np.arange(size)[:, None], around), shares)
    return torch.from_numpy(matrix).to(device)


def enlarged(images: Tensor, factor: float, shape: tuple[int, int]) -> Tensor:
    """The middle of images, enlarged by `factor`, as `functions.kernels.add_zoomed` adds it.

    Args:
        images: (..., H, W), float64.
        factor: at least 1.
        shape: (H, W) of its upper left part that is made.
    """
    for axis, count in zip((-2, -1), shape, strict=True):
        images = _stretched(images, factor, axis, count)
    return images


def _stretched(images: Tensor, factor: float, axis: int, count: int) -> Tensor:
    if factor == 1:
        return images.narrow(axis, 0, count)
    line = kernels.bilinear_line(images.shape[axis], factor, count)
    first, second, weight, inside = (torch.from_numpy(part).to(images.device) for part in line)
    along = [-1, 1] if axis == -2 else [-1]
    near = (weight * inside).view(along)
    far = ((1.0 - weight) * inside).view(along)
    return images.index_select(axis, first) * near + images.index_select(axis, second) * far


def moved(images: Tensor, weights: np.ndarray, angles: Sequence[float]) -> Tensor:
    """Weighted sums of copies that move along lines, as `functions.kernels.moved`.

    Args:
        images: (N, C, H, W), float64.
        weights: of the copies, the first is not moved.
        angles: degrees, one per image.
    """
    number, _, height, width = images.shape
    steps = np.zeros((2, len(weights), number), np.int64)
    shares = np.zeros((len(weights), number))
    for n, angle in enumerate(angles):
        own = kernels.motion_steps(len(weights), angle, (height, width))
        steps[:, : len(own), n] = own.T
        shares[: len(own), n] = weights[: len(own)]
    down, right = torch.from_numpy(steps).to(images.device)
    shares = torch.from_numpy(shares).to(images.device)
    rows = torch.arange(height, device=images.device)
    columns = torch.arange(width, device=images.device)
    batch = torch.arange(number, device=images.device)[:, None, None]
    every = images.permute(0, 2, 3, 1)
    total = torch.zeros_like(every)
    for k in range(len(weights)):
        row = (rows + down[k, :, None]).clamp(0, height - 1)[:, :, None]
        column = (columns + right[k, :, None]).clamp(0, width - 1)[:, None]
        total += shares[k, :, None, None, None] * every[batch, row, column]
    return total.permute(0, 3, 1, 2)
