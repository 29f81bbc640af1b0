"""Noise on tensors; see `functions.noise`."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from mmrobustprune.corruption.functions.base import LEVELS

from .base import BatchDraws, in_unit, scaled, size_of, to_arrays


def gaussian_noise(images: Tensor, c: float, draws: BatchDraws) -> Tensor:
    """c: standard deviation."""
    noise = draws.pixels(lambda one: one.normal(0, c, size_of(images)))
    return scaled(noise + in_unit(images))


def speckle_noise(images: Tensor, c: float, draws: BatchDraws) -> Tensor:
    """c: standard deviation at white."""
    unit = in_unit(images)
    noise = draws.pixels(lambda one: one.normal(0, c, size_of(images)))
    return scaled(noise * unit + unit)


def shot_noise(images: Tensor, c: float, draws: BatchDraws) -> Tensor:
    """c: photons of a white pixel. All of it is random, so all but its scale is made on the CPU."""
    arrays = iter(to_arrays(images))
    photons = draws.pixels(lambda one: one.poisson(next(arrays), LEVELS * c))
    return scaled(photons / float(c))


def impulse_noise(images: Tensor, c: float, draws: BatchDraws) -> Tensor:
    """c: share of values hit; half of them white."""
    size = size_of(images)

    def spots(one) -> np.ndarray:
        """255 and 0 where a value is hit, -1 elsewhere."""
        hit = one.random(size)
        salt = one.random(size)
        return np.where(hit <= c, np.where(salt <= 0.5, np.int16(255), np.int16(0)), np.int16(-1))

    found = draws.pixels(spots)
    return torch.where(found < 0, images, found.to(images.dtype))
