"""Blur: every pixel becomes a mixture of those around it."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from . import kernels, loops
from .base import Draws, missing, scaled

try:
    from imagecorruptions.corruptions import disk, getMotionBlurKernel
except ImportError as error:
    raise missing('imagecorruptions', error, 'imagecorruptions-imaug') from error


def gaussian_blur(image: np.ndarray, c: float, draws: Draws) -> np.ndarray:
    """c: sigma in pixels."""
    return scaled(kernels.gaussian(image / 255.0, c))


def glass_blur(image: np.ndarray, c: tuple, draws: Draws) -> np.ndarray:
    """c: sigma and reach in pixels, passes."""
    sigma, reach, times = c
    blurred = kernels.gaussian(image / 255.0, sigma)
    blurred *= 255
    scattered = loops.scatter(blurred.astype(np.uint8), reach, times, draws.word)
    return scaled(kernels.gaussian(scattered / 255.0, sigma))


def defocus_blur(image: np.ndarray, c: tuple, draws: Draws) -> np.ndarray:
    """c: radius of the disk and sigma of its rim in pixels."""
    return scaled(cv2.filter2D(image / 255.0, -1, _disk(*c)))


_disk = cache(disk)


def motion_blur(image: np.ndarray, c: tuple, draws: Draws) -> np.ndarray:
    """c: radius and sigma in pixels."""
    return np.clip(moved(image, *c, draws.uniform(-45, 45)), 0, 255)


def moved(image: np.ndarray, radius: int, sigma: float, angle: float) -> np.ndarray:
    """The motion blur of ImageMagick, without rounding."""
    return kernels.moved(image, getMotionBlurKernel(2 * radius + 1, sigma), angle)


def zoom_blur(image: np.ndarray, c: tuple, draws: Draws) -> np.ndarray:
    """c: first factor, end and step."""
    unit = (image / 255.0).astype(np.float32)
    factors = np.arange(*c)
    out = np.zeros_like(unit)
    for factor in factors:
        kernels.add_zoomed(unit, factor, out)
    out += unit
    out /= len(factors) + 1
    return scaled(out)
