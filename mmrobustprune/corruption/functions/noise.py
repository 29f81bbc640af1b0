"""Noise: numbers added to every value of an image."""

from __future__ import annotations

import numpy as np

from .base import LEVELS, Draws, scaled
from .compiling import compiled


def gaussian_noise(image: np.ndarray, c: float, draws: Draws) -> np.ndarray:
    """c: standard deviation."""
    return _noisy(image, np.ones(256), c, draws)


def shot_noise(image: np.ndarray, c: float, draws: Draws) -> np.ndarray:
    """c: photons of a white pixel."""
    photons = draws.poisson(image, LEVELS * c)
    photons /= float(c)
    return scaled(photons)


def impulse_noise(image: np.ndarray, c: float, draws: Draws) -> np.ndarray:
    """c: share of values hit; half of them white.

    The published function draws from a generator that nobody seeds.
    """
    hit = draws.random(image.shape)
    salt = draws.random(image.shape)
    out = np.empty_like(image)
    _hit(image.reshape(-1), hit.reshape(-1), salt.reshape(-1), c, out.reshape(-1))
    return out


def speckle_noise(image: np.ndarray, c: float, draws: Draws) -> np.ndarray:
    """c: standard deviation at white."""
    return _noisy(image, LEVELS, c, draws)


def _noisy(image: np.ndarray, grain: np.ndarray, c: float, draws: Draws) -> np.ndarray:
    """Normal noise of deviation `c` times what the level of a value has in `grain`."""
    out = np.empty_like(image)
    noise = draws.normal(0, c, image.shape)
    _add(image.reshape(-1), noise.reshape(-1), LEVELS, grain, out.reshape(-1))
    return out


@compiled
def _add(image, noise, levels, grain, out):
    for i in range(len(image)):
        value = noise[i] * grain[image[i]] + levels[image[i]]
        out[i] = np.uint8(min(max(value, 0.0), 1.0) * 255)


@compiled
def _hit(image, hit, salt, share, out):
    for i in range(len(image)):
        if hit[i] <= share:
            out[i] = 255 if salt[i] <= 0.5 else 0
        else:
            out[i] = image[i]
