"""Loops over single pixels: a warped grid, colours, scattered pixels, compiled.

As in `kernels`, each result is that of scipy, skimage or imagecorruptions to the last bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress

import numpy as np

from .base import missing

try:
    from numba import _helperlib as _numba
    from numba import njit
except ImportError as error:
    raise missing('numba', error, 'imagecorruptions-imaug, which brings it') from error


def compiled(function: Callable) -> Callable:
    """A function by numba, kept on disk where that can be written."""
    out = njit(nogil=True)(function)
    with suppress(RuntimeError):  # no folder that can be written: compiled anew in every process
        out.enable_caching()
    return out


def warped(image: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """The image at other places, as `scipy.ndimage.map_coordinates(..., order=1, mode='reflect')`.

    Args:
        image: (H, W, C), float32.
        rows, columns: (H, W), float64, pixels.
    """
    out = np.empty_like(image)
    _warp(np.ascontiguousarray(image), rows, columns, out)
    return out


@compiled
def _reflect(at, size):
    """A coordinate mirrored into (-1, size), where a pixel's neighbours are it and its mirror."""
    if at < 0:
        if at < -2 * size:
            at += 2.0 * size * int(-at / (2 * size))
        if at < -size:
            return at + 2 * size
        return (1e-15 if at > -1e-15 else -at) - 1.0
    if at > size - 1:
        at -= 2.0 * size * int(at / (2 * size))
        if at >= size:
            return 2 * size - at - 1.0
    return at


@compiled
def _warp(image, rows, columns, out):
    height, width, channels = image.shape
    for i in range(height):
        for j in range(width):
            y = _reflect(rows[i, j], height)
            x = _reflect(columns[i, j], width)
            top = int(math.floor(y))
            left = int(math.floor(x))
            up = 1.0 - (y - math.floor(y))
            near = 1.0 - (x - math.floor(x))
            down = 1.0 - up
            far = 1.0 - near
            above = image[max(top, 0)]
            below = image[min(top + 1, height - 1)]
            a = max(left, 0)
            b = min(left + 1, width - 1)
            for c in range(channels):
                out[i, j, c] = (
                    above[a, c] * up * near
                    + above[b, c] * up * far
                    + below[a, c] * down * near
                    + below[b, c] * down * far
                )


@compiled
def recoloured(image, scale, offset, lift):
    """Saturation times `scale` plus `offset`, value plus `lift`, through skimage's HSV.

    Both are clipped to [0, 1]. uint8 RGB (H, W, 3) gives float64 in [0, 255].
    """
    out = np.empty(image.shape)
    for i in range(image.shape[0]):
        for j in range(image.shape[1]):
            hue, saturation, value = _to_hsv(image[i, j])
            saturation = min(max(saturation * scale + offset, 0.0), 1.0)
            value = min(max(value + lift, 0.0), 1.0)
            for c, one in enumerate(_to_rgb(hue, saturation, value)):
                out[i, j, c] = min(max(one, 0.0), 1.0) * 255
    return out


@compiled
def _to_hsv(pixel):
    red = pixel[0] / 255.0
    green = pixel[1] / 255.0
    blue = pixel[2] / 255.0
    value = max(red, green, blue)
    spread = value - min(red, green, blue)
    if spread == 0:
        return 0.0, 0.0, value
    if blue == value:
        hue = (4.0 + (red - green) / spread) / 6.0
    elif green == value:
        hue = (2.0 + (blue - red) / spread) / 6.0
    else:
        hue = (green - blue) / spread / 6.0
    if hue < 0:
        hue += 1.0
    return hue, spread / value, value


@compiled
def _to_rgb(hue, saturation, value):
    sixth = math.floor(hue * 6)
    part = hue * 6 - sixth
    low = value * (1 - saturation)
    falling = value * (1 - part * saturation)
    rising = value * (1 - (1 - part) * saturation)
    side = int(sixth) % 6
    if side == 0:
        return value, rising, low
    if side == 1:
        return falling, value, low
    if side == 2:
        return low, value, rising
    if side == 3:
        return low, falling, value
    if side == 4:
        return rising, low, value
    return value, low, falling


def scatter(image: np.ndarray, reach: int, times: int, seed: int) -> np.ndarray:
    """Every pixel takes the colour of a random near one, in place.

    numba's generator stays as it was.

    Args:
        image: (H, W, 3), uint8.
        reach: pixels, [-reach, reach) along both axes.
        times: passes over the image.
        seed: 32 bits.
    """
    pointer = _numba.rnd_get_np_state_ptr()
    before = _numba.rnd_get_state(pointer)
    try:
        _scatter(image, reach, times, seed)
    finally:
        _numba.rnd_set_state(pointer, before)
    return image


@compiled
def _scatter(image, reach, times, seed):
    np.random.seed(seed)
    for _ in range(times):
        for i in range(image.shape[0] - reach, reach, -1):
            for j in range(image.shape[1] - reach, reach, -1):
                dx = np.random.randint(-reach, reach)
                dy = np.random.randint(-reach, reach)
                # the published swap gives the other pixel its own colour back: rows are views
                for c in range(3):
                    image[i, j, c] = image[i + dy, j + dx, c]
