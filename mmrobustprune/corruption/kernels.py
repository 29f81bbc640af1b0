"""The loops of the corruption functions, compiled.

Each makes the sums of the function of scipy, skimage or imagecorruptions that it stands for in the same order and precision,
so its result is the same to the last bit; it only leaves out what those do for the general case.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import lru_cache

import numpy as np
from scipy.ndimage import gaussian_filter1d

try:
    from numba import _helperlib as _numba
    from numba import njit
except ImportError as error:
    raise ImportError(
        f"corruptions need the module 'numba' and it does not import ({error}); "
        'pip install imagecorruptions-imaug, which brings it.'
    ) from error

_BLOCK = 2048  # numbers; what is summed up stays in the processor's first cache


def _compiled(function: Callable) -> Callable:
    out = njit(nogil=True)(function)
    with suppress(RuntimeError):  # no folder that can be written: compiled anew in every process
        out.enable_caching()
    return out


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
    return gaussian_filter1d(
        np.eye(1, 2 * radius + 1, radius)[0], sigma, mode='constant', truncate=truncate
    )[radius:].copy()


def _along(image: np.ndarray, axis: int, weights: np.ndarray, mode: str) -> np.ndarray:
    radius, room = len(weights) - 1, [(0, 0)] * image.ndim
    room[axis] = (radius, radius)
    lines = np.prod(image.shape[:axis], dtype=int)
    step = np.prod(image.shape[axis + 1 :], dtype=int)
    padded = np.pad(image, room, mode).reshape(lines, -1)
    out = np.empty((lines, image.size // lines), image.dtype)
    _symmetric(padded, weights, step, out)
    return out.reshape(image.shape)


@_compiled
def _symmetric(lines, weights, step, out):
    radius, total = len(weights) - 1, np.empty(_BLOCK)
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


def add_zoomed(image: np.ndarray, factor: float, out: np.ndarray) -> None:
    """Add the middle of an image, enlarged by `factor`, to `out`, as `scipy.ndimage.zoom(..., order=1)` enlarges it.

    Args:
        image: (H, W, C), float.
        out: at most `zoomed_size` of H, of W; its upper left part of the enlarged middle; the image's dtype.
    """
    if factor == 1:
        out += image[: out.shape[0], : out.shape[1]]
        return
    rows, columns = (
        _bilinear_line(size, factor, count)
        for size, count in zip(image.shape[:2], out.shape[:2], strict=True)
    )
    _add_bilinear(np.ascontiguousarray(image), *rows, *columns, out)


def zoomed_size(size: int, factor: float) -> int:
    """Pixels of the enlarged middle of `size` pixels: `size` or a little more."""
    return int(round(math.ceil(size / float(factor)) * factor))


def _bilinear_line(
    size: int, factor: float, count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Both neighbours of each new pixel, the weight of the first, and which pixels lie on the image at all."""
    middle = math.ceil(size / float(factor))
    whole = zoomed_size(size, factor)
    at = np.arange(count) * ((middle - 1) / (whole - 1) if whole > 1 else 1.0)
    first = np.floor(at).astype(np.int64)
    top = (size - middle) // 2
    return (
        top + np.minimum(first, middle - 1),
        top + np.minimum(first + 1, middle - 1),
        1.0 - (at - np.floor(at)),
        at <= middle - 1,
    )  # rounding may put the last one outside: 0 there, as in scipy


@_compiled
def _add_bilinear(image, top, bottom, upper, row_inside, left, right, lefter, column_inside, out):
    height, width, channels = image.shape
    lines, above, below = (
        image.reshape((height, width * channels)),
        np.empty(width * channels),
        np.empty(width * channels),
    )
    for i in range(out.shape[0]):
        if not row_inside[i]:
            continue
        up, first, second = upper[i], lines[top[i]], lines[bottom[i]]
        down = 1.0 - up
        for j in range(width * channels):
            above[j] = first[j] * up
            below[j] = second[j] * down
        for j in range(out.shape[1]):
            if column_inside[j]:
                a, b, near = left[j] * channels, right[j] * channels, lefter[j]
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
    width = len(weights)
    point = (width * np.sin(np.deg2rad(angle)), width * np.cos(np.deg2rad(angle)))
    length = math.hypot(*point)
    steps = [tuple(math.ceil(i * part / length - 0.5) for part in point) for i in range(width)]
    outside = [abs(dy) >= image.shape[0] or abs(dx) >= image.shape[1] for dy, dx in steps]
    steps = np.array(steps[: outside.index(True)] if True in outside else steps)
    room = np.abs(steps).max(0)
    padded = np.pad(
        image.astype(np.float64), [(pad, pad) for pad in room] + [(0, 0)] * (image.ndim - 2), 'edge'
    )
    channels = image.size // (image.shape[0] * image.shape[1])
    out = np.empty((image.shape[0], image.shape[1] * channels))
    _weighted(
        padded.reshape(len(padded), -1),
        weights,
        room[0] + steps[:, 0],
        (room[1] + steps[:, 1]) * channels,
        out,
    )
    return out.reshape(image.shape)


@_compiled
def _weighted(padded, weights, down, right, out):
    for i in range(out.shape[0]):
        total = out[i]
        total[:] = 0.0
        for k in range(len(down)):
            row = padded[i + down[k], right[k] : right[k] + out.shape[1]]
            for j in range(out.shape[1]):
                total[j] += weights[k] * row[j]


def warped(image: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """The image at other places, as `scipy.ndimage.map_coordinates(..., order=1, mode='reflect')`.

    Args:
        image: (H, W, C), float32.
        rows, columns: (H, W), float64, pixels.
    """
    out = np.empty_like(image)
    _warp(np.ascontiguousarray(image), rows, columns, out)
    return out


@_compiled
def _reflect(at, size):
    """A coordinate mirrored into (-1, size), where a pixel's neighbours are itself and its mirror image."""
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


@_compiled
def _warp(image, rows, columns, out):
    height, width, channels = image.shape
    for i in range(height):
        for j in range(width):
            y, x = _reflect(rows[i, j], height), _reflect(columns[i, j], width)
            top, left = int(math.floor(y)), int(math.floor(x))
            up, near = 1.0 - (y - math.floor(y)), 1.0 - (x - math.floor(x))
            down, far = 1.0 - up, 1.0 - near
            above, below = image[max(top, 0)], image[min(top + 1, height - 1)]
            a, b = max(left, 0), min(left + 1, width - 1)
            for c in range(channels):
                out[i, j, c] = (
                    above[a, c] * up * near
                    + above[b, c] * up * far
                    + below[a, c] * down * near
                    + below[b, c] * down * far
                )


@_compiled
def recoloured(image, scale, offset, lift):
    """Saturation times `scale` plus `offset` and value plus `lift`, clipped to [0, 1], through skimage's HSV; float64 in
    [0, 255] from uint8 RGB (H, W, 3)."""
    out = np.empty(image.shape)
    for i in range(image.shape[0]):
        for j in range(image.shape[1]):
            red, green, blue = (
                image[i, j, 0] / 255.0,
                image[i, j, 1] / 255.0,
                image[i, j, 2] / 255.0,
            )
            value, hue, saturation = max(red, green, blue), 0.0, 0.0
            spread = value - min(red, green, blue)
            if spread != 0:
                if blue == value:
                    hue = (4.0 + (red - green) / spread) / 6.0
                elif green == value:
                    hue = (2.0 + (blue - red) / spread) / 6.0
                else:
                    hue = (green - blue) / spread / 6.0
                hue += 1.0 if hue < 0 else 0.0
                saturation = spread / value
            saturation = min(max(saturation * scale + offset, 0.0), 1.0)
            value = min(max(value + lift, 0.0), 1.0)
            sixth = math.floor(hue * 6)
            part = hue * 6 - sixth
            low = value * (1 - saturation)
            falling = value * (1 - part * saturation)
            rising = value * (1 - (1 - part) * saturation)
            side = int(sixth) % 6
            if side == 0:
                red, green, blue = value, rising, low
            elif side == 1:
                red, green, blue = falling, value, low
            elif side == 2:
                red, green, blue = low, value, rising
            elif side == 3:
                red, green, blue = low, falling, value
            elif side == 4:
                red, green, blue = rising, low, value
            else:
                red, green, blue = value, low, falling
            for c, one in enumerate((red, green, blue)):
                out[i, j, c] = min(max(one, 0.0), 1.0) * 255
    return out


def scatter(image: np.ndarray, reach: int, times: int, seed: int) -> np.ndarray:
    """Every pixel takes the colour of a random near one, in place; numba's generator stays as it was.

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


@_compiled
def _scatter(image, reach, times, seed):
    np.random.seed(seed)
    for _ in range(times):
        for i in range(image.shape[0] - reach, reach, -1):
            for j in range(image.shape[1] - reach, reach, -1):
                dx = np.random.randint(-reach, reach)
                dy = np.random.randint(-reach, reach)
                for c in range(
                    3
                ):  # the published swap gives the other pixel its own colour back: NumPy's rows are views
                    image[i, j, c] = image[i + dy, j + dx, c]
