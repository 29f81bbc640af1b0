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

from .compiling import compiled


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
    lines = image.reshape(len(image), -1)
    # scipy leaves out an axis of no width: its weights are a single 1
    down, right = (
        gaussian_weights(float(width), truncate) if width > 1e-15 else np.ones(1)
        for width in np.broadcast_to(sigma, 2)
    )
    rows = np.pad(np.arange(image.shape[0]), len(down) - 1, mode)
    columns = np.pad(np.arange(image.shape[1]), len(right) - 1, mode)
    out = np.empty_like(lines)
    _blur(lines, down, rows, right, columns, out)
    return out.reshape(image.shape)


@lru_cache(maxsize=64)
def gaussian_weights(sigma: float, truncate: float) -> np.ndarray:
    """scipy's weights from the middle outwards: what it makes of a single one."""
    radius = int(truncate * sigma + 0.5)
    single = np.eye(1, 2 * radius + 1, radius)[0]
    return gaussian_filter1d(single, sigma, mode='constant', truncate=truncate)[radius:].copy()


@compiled
def _blur(lines, down, rows, right, columns, out):
    """Every line is summed over its neighbours, then along itself while it is in the first cache.

    Args:
        lines: (H, W * C).
        down, right: weights from the middle outwards.
        rows, columns: the line, and the pixel, at every place of the padded image.
        out: of the shape and type of `lines`.
    """
    width = lines.shape[1]
    reach = len(right) - 1
    channels = width // (len(columns) - 2 * reach)
    start = reach * channels
    total = np.empty(width)
    line = np.empty(width + 2 * start, lines.dtype)
    body = line[start : start + width]
    for i in range(len(lines)):
        here = lines[i]
        for j in range(width):
            total[j] = np.float64(here[j]) * down[0]
        for k in range(len(down) - 1, 0, -1):  # from the rim inwards, as scipy
            above = lines[rows[i + len(down) - 1 - k]]
            below = lines[rows[i + len(down) - 1 + k]]
            for j in range(width):
                total[j] += (np.float64(above[j]) + np.float64(below[j])) * down[k]
        for j in range(width):
            body[j] = total[j]
        for p in range(reach):
            for c in range(channels):
                line[p * channels + c] = line[start + columns[p] * channels + c]
                end = len(columns) - 1 - p
                line[end * channels + c] = line[start + columns[end] * channels + c]
        for j in range(width):
            total[j] = np.float64(body[j]) * right[0]
        for k in range(reach, 0, -1):
            left = line[start - k * channels : start - k * channels + width]
            other = line[start + k * channels : start + k * channels + width]
            for j in range(width):
                total[j] += (np.float64(left[j]) + np.float64(other[j])) * right[k]
        for j in range(width):
            out[i, j] = total[j]


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
    rows = bilinear_line(image.shape[0], factor, height)
    columns = bilinear_line(image.shape[1], factor, width)
    channels = image.shape[2]
    weights = np.repeat(columns.weight, channels)
    lines = np.ascontiguousarray(image).reshape(len(image), -1)
    target = out if out.flags.c_contiguous else np.ascontiguousarray(out)
    _add_bilinear(lines, rows, _runs(columns) * channels, weights, target.reshape(height, -1))
    if target is not out:
        out[...] = target


def zoomed_size(size: int, factor: float) -> int:
    """Pixels of the enlarged middle of `size` pixels: `size` or a little more."""
    return int(round(math.ceil(size / float(factor)) * factor))


def bilinear_line(size: int, factor: float, count: int) -> _Line:
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


def _runs(line: _Line) -> np.ndarray:
    """(n, 4) first pixel, end, and how far away both neighbours are, of pixels on the image."""
    at = np.flatnonzero(line.inside)
    away = np.stack([line.first[at] - at, line.second[at] - at], 1)
    starts = np.flatnonzero(np.any(away[1:] != away[:-1], axis=1)) + 1
    starts = np.concatenate([[0], starts])
    ends = np.append(starts[1:], len(at))
    return np.column_stack([at[starts], at[ends - 1] + 1, away[starts]])


@compiled
def _add_bilinear(lines, rows, runs, weights, out):
    above = np.empty(lines.shape[1])
    below = np.empty(lines.shape[1])
    for i in range(out.shape[0]):
        if not rows.inside[i]:
            continue
        upper = lines[rows.first[i]]
        lower = lines[rows.second[i]]
        up = rows.weight[i]
        down = 1.0 - up
        for j in range(lines.shape[1]):
            above[j] = upper[j] * up
            below[j] = lower[j] * down
        for r in range(len(runs)):
            start, end, first, second = runs[r]
            near = weights[start:end]
            target = out[i, start:end]
            a = above[start + first : end + first]
            b = above[start + second : end + second]
            c = below[start + first : end + first]
            d = below[start + second : end + second]
            for j in range(end - start):
                far = 1.0 - near[j]
                value = a[j] * near[j] + b[j] * far + c[j] * near[j] + d[j] * far
                target[j] += lines.dtype.type(value)


def moved(image: np.ndarray, weights: np.ndarray, angle: float) -> np.ndarray:
    """Weighted sum of copies of an image that move along a line and repeat its border: motion blur.

    Args:
        image: (H, W) or (H, W, C).
        weights: of the copies, the first is not moved.
        angle: degrees.
    Returns:
        float64 of the same shape.
    """
    steps = motion_steps(len(weights), angle, image.shape)
    lines = np.ascontiguousarray(image).reshape(len(image), -1)
    out = np.empty(lines.shape)
    channels = lines.shape[1] // image.shape[1]
    _weighted(lines, weights, steps[:, 0], steps[:, 1] * channels, channels, out)
    return out.reshape(image.shape)


def motion_steps(width: int, angle: float, shape: tuple[int, ...]) -> np.ndarray:
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
def _weighted(lines, weights, down, right, channels, out):
    height, width = lines.shape
    for i in range(height):
        total = out[i]
        total[:] = 0.0
        for k in range(len(down)):
            row = lines[min(max(i + down[k], 0), height - 1)]
            shift = right[k]
            weight = weights[k]
            start = max(0, -shift)
            end = width - max(0, shift)
            for j in range(start):
                total[j] += weight * np.float64(row[j % channels])
            inner = total[start:end]
            moved = row[start + shift : end + shift]
            for j in range(end - start):
                inner[j] += weight * np.float64(moved[j])
            for j in range(end, width):
                total[j] += weight * np.float64(row[width - channels + j % channels])
