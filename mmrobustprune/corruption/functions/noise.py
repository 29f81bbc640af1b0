"""Noise: numbers added to every value of an image."""

from __future__ import annotations

import numpy as np

from .base import Draws, scaled


def gaussian_noise(image: np.ndarray, c: float, draws: Draws) -> np.ndarray:
    """c: standard deviation."""
    out = draws.normal(size=image.shape, scale=c)
    out += image / 255.0
    return scaled(out)


def shot_noise(image: np.ndarray, c: float, draws: Draws) -> np.ndarray:
    """c: photons of a white pixel."""
    return scaled(draws.poisson(image / 255.0 * c) / float(c))


def impulse_noise(image: np.ndarray, c: float, draws: Draws) -> np.ndarray:
    """c: share of values hit; half of them white.

    The published function draws from a generator that nobody seeds.
    """
    hit = draws.random(image.shape) <= c
    salt = draws.random(image.shape) <= 0.5
    return np.where(hit, salt * np.uint8(255), image)


def speckle_noise(image: np.ndarray, c: float, draws: Draws) -> np.ndarray:
    """c: standard deviation at white."""
    out = draws.normal(size=image.shape, scale=c)
    unit = image / 255.0
    out *= unit
    out += unit
    return scaled(out)
