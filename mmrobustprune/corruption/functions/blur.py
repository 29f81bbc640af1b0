"""Blur: every pixel becomes a mixture of those around it."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from . import kernels, loops
from .base import Draws, in_unit, scaled, truncated
from .compiling import missing

try:
    from imagecorruptions.corruptions import disk, getMotionBlurKernel
except ImportError as error:
    raise missing('imagecorruptions', error, 'imagecorruptions-imaug') from error


def gaussian_blur(image: np.ndarray, c: float, draws: Draws) -> np.ndarray:
    """c: sigma in pixels."""
    return scaled(kernels.gaussian(in_unit(image), c))


def glass_blur(image: np.ndarray, c: tuple, draws: Draws) -> np.ndarray:
    """c: sigma and reach in pixels, passes."""
    sigma, reach, times = c
    blurred = scaled(kernels.gaussian(in_unit(image), sigma))
    height, width = (side - 2 * reach for side in image.shape[:2])
    loops.scatter(blurred, draws.first.steps(reach, (times, height, width, 2)))
    return scaled(kernels.gaussian(in_unit(blurred), sigma))


def defocus_blur(image: np.ndarray, c: tuple, draws: Draws) -> np.ndarray:
    """c: radius of the disk and sigma of its rim in pixels."""
    return scaled(cv2.filter2D(in_unit(image), -1, round_kernel(*c)))


round_kernel = cache(disk)


def motion_blur(image: np.ndarray, c: tuple, draws: Draws) -> np.ndarray:
    """c: radius and sigma in pixels."""
    return truncated(moved(image, *c, draws.uniform(-45, 45)))


def moved(image: np.ndarray, radius: int, sigma: float, angle: float) -> np.ndarray:
    """The motion blur of ImageMagick, without rounding."""
    return kernels.moved(image, motion_weights(radius, sigma), angle)


def motion_weights(radius: int, sigma: float) -> np.ndarray:
    """Of the copies that motion blur adds: a normal curve from its middle on."""
    return getMotionBlurKernel(2 * radius + 1, sigma)


def zoom_blur(image: np.ndarray, c: tuple, draws: Draws) -> np.ndarray:
    """c: first factor, end and step."""
    unit = in_unit(image).astype(np.float32)
    factors = np.arange(*c)
    out = np.zeros_like(unit)
    for factor in factors:
        kernels.add_zoomed(unit, factor, out)
    out += unit
    out /= len(factors) + 1
    return scaled(out)
