"""Sums along the lines of an image: Gaussian blur, zoom and motion, compiled.

Each makes the sums of the function of scipy, skimage or imagecorruptions that it stands for in the
same order and precision, so its result is the same to the last bit; it only leaves out what those
do for the general case.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter1d

from .loops import compiled

_BLOCK = 2048  # numbers; what is summed up stays in the processor's first cache


def gaussian(
    image: np.ndarray, sigma: float | Sequence[float], mode: str = 'edge', truncate: float = 4.0
) -> np.ndarray:
    """Gaussian blur over the first two axes, as `skimage.filters.gaussian`.

    Args:
        image: (H, W) or (H, W, C), float32 or float64; sums are float64.
        sigma: pixels, one number or one per axis.
        mode: of `numpy.pad`: 'edge' or 'symmetric' (scipy's 'nearest' and 'reflect').
        truncate: the radius in sigmas.
    """
    image = np.ascontiguousarray(image)
    for axis, width in enumerate(np.broadcast_to(sigma, 2)):
        if width > 1e-15:  # scipy's own limit
            image = _along(image, axis, _weights(float(width), truncate), mode)
    return image


@lru_cache(maxsize=64)
def _weights(sigma: float, truncate: float) -> np.ndarray:
    """scipy's weights from the middle outwards: what it makes of a single one."""
    radius = int(truncate * sigma + 0.5)
    single = np.eye(1, 2 * radius + 1, radius)[0]
    return gaussian_filter1d(single, sigma, mode='constant', truncate=truncate)[radius:].copy()


def _along(image: np.ndarray, axis: int, weights: np.ndarray, mode: str) -> np.ndarray:
    room = [(0, 0)] * image.ndim
    room[axis] = (len(weights) - 1,) * 2
    lines = np.prod(image.shape[:axis], dtype=int)
    step = np.prod(image.shape[axis + 1 :], dtype=int)
    padded = np.pad(image, room, mode).reshape(lines, -1)
    out = np.empty((lines, image.size // lines), image.dtype)
    _symmetric(padded, weights, step, out)
    return out.reshape(image.shape)


@compiled
def _symmetric(lines, weights, step, out):
    radius = len(weights) - 1
    total = np.empty(_BLOCK)
    for line in range(len(out)):
        for start in range(0, out.shape[1], _BLOCK):
            size = min(_BLOCK, out.shape[1] - start)
            middle = start + radius * step
            here = lines[line, middle : middle + size]
            for j in range(size):
                total[j] = np.float64(here[j]) * weights[0]
            for k in range(radius, 0, -1):  # from the rim inwards, as scipy
                left = lines[line, middle - k * step : middle - k * step + size]
                right = lines[line, middle + k * step : middle + k * step + size]
                for j in range(size):
                    total[j] += (np.float64(left[j]) + np.float64(right[j])) * weights[k]
            for j in range(size):
                out[line, start + j] = total[j]


class _Line(NamedTuple):
    """Both neighbours of each new pixel of a line.

    Attributes:
        first, second: places of the neighbours.
        weight: of the first.
        inside: whether the pixel lies on the image at all.
    """

    first: np.ndarray
    second: np.ndarray
    weight: np.ndarray
    inside: np.ndarray


def add_zoomed(image: np.ndarray, factor: float, out: np.ndarray) -> None:
    """Add the middle of an image, enlarged by `factor`, to `out`.

    It is enlarged as by `scipy.ndimage.zoom(..., order=1)`.

    Args:
        image: (H, W, C), float.
        factor: at least 1.
        out: at most `zoomed_size` of H, of W; its upper left part of the enlarged middle; the
            image's dtype.
    """
    height, width = out.shape[:2]
    if factor == 1:
        out += image[:height, :width]
        return
    rows = _bilinear_line(image.shape[0], factor, height)
    columns = _bilinear_line(image.shape[1], factor, width)
    _add_bilinear(np.ascontiguousarray(image), rows, columns, out)


def zoomed_size(size: int, factor: float) -> int:
    """Pixels of the enlarged middle of `size` pixels: `size` or a little more."""
    return int(round(math.ceil(size / float(factor)) * factor))


def _bilinear_line(size: int, factor: float, count: int) -> _Line:
    middle = math.ceil(size / float(factor))
    whole = zoomed_size(size, factor)
    at = np.arange(count) * ((middle - 1) / (whole - 1) if whole > 1 else 1.0)
    first = np.floor(at).astype(np.int64)
    top = (size - middle) // 2
    return _Line(
        first=top + np.minimum(first, middle - 1),
        second=top + np.minimum(first + 1, middle - 1),
        weight=1.0 - (at - np.floor(at)),
        inside=at <= middle - 1,  # rounding may put the last one outside: 0 there, as in scipy
    )


@compiled
def _add_bilinear(image, rows, columns, out):
    height, width, channels = image.shape
    lines = image.reshape((height, width * channels))
    above = np.empty(width * channels)
    below = np.empty(width * channels)
    for i in range(out.shape[0]):
        if not rows.inside[i]:
            continue
        upper = lines[rows.first[i]]
        lower = lines[rows.second[i]]
        up = rows.weight[i]
        down = 1.0 - up
        for j in range(width * channels):
            above[j] = upper[j] * up
            below[j] = lower[j] * down
        for j in range(out.shape[1]):
            if columns.inside[j]:
                a = columns.first[j] * channels
                b = columns.second[j] * channels
                near = columns.weight[j]
                far = 1.0 - near
                for c in range(channels):
                    value = (
                        above[a + c] * near
                        + above[b + c] * far
                        + below[a + c] * near
                        + below[b + c] * far
                    )
                    out[i, j, c] += image.dtype.type(value)


def moved(image: np.ndarray, weights: np.ndarray, angle: float) -> np.ndarray:
    """Weighted sum of copies of an image that move along a line and repeat its border: motion blur.

    Args:
        image: (H, W) or (H, W, C).
        weights: of the copies, the first is not moved.
        angle: degrees.
    Returns:
        float64 of the same shape.
    """
    steps = _steps(len(weights), angle, image.shape)
    room = np.abs(steps).max(0)
    around = [(pad, pad) for pad in room] + [(0, 0)] * (image.ndim - 2)
    padded = np.pad(image.astype(np.float64), around, 'edge')
    channels = image.size // (image.shape[0] * image.shape[1])
    out = np.empty((image.shape[0], image.shape[1] * channels))
    down = room[0] + steps[:, 0]
    right = (room[1] + steps[:, 1]) * channels
    _weighted(padded.reshape(len(padded), -1), weights, down, right, out)
    return out.reshape(image.shape)


def _steps(width: int, angle: float, shape: tuple[int, ...]) -> np.ndarray:
    """(n, 2) rows and columns that copies are moved by, up to the first outside the image."""
    point = (width * np.sin(np.deg2rad(angle)), width * np.cos(np.deg2rad(angle)))
    length = math.hypot(*point)
    steps = []
    for i in range(width):
        down = math.ceil(i * point[0] / length - 0.5)
        right = math.ceil(i * point[1] / length - 0.5)
        if abs(down) >= shape[0] or abs(right) >= shape[1]:
            break
        steps.append((down, right))
    return np.array(steps)


@compiled
def _weighted(padded, weights, down, right, out):
    for i in range(out.shape[0]):
        total = out[i]
        total[:] = 0.0
        for k in range(len(down)):
            row = padded[i + down[k], right[k] : right[k] + out.shape[1]]
            for j in range(out.shape[1]):
                total[j] += weights[k] * row[j]
