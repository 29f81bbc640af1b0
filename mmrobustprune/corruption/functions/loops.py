"""Loops over single pixels: a warped grid, colours, scattered pixels, compiled.

As in `kernels`, each result is that of scipy, skimage or imagecorruptions to the last bit.
"""

from __future__ import annotations

import math

import numpy as np

from .compiling import compiled


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
def means(image, levels):
    """(C,) means of an image of levels (H, W, C), summed pixel by pixel as NumPy does."""
    height, width, channels = image.shape
    total = np.zeros(channels)
    for i in range(height):
        for j in range(width):
            for c in range(channels):
                total[c] += levels[image[i, j, c]]
    return total / (height * width)


@compiled
def recoloured(image, scale, offset, lift):
    """Saturation times `scale` plus `offset`, value plus `lift`, through skimage's HSV.

    Both are clipped to [0, 1]. uint8 RGB (H, W, 3) gives uint8.
    """
    out = np.empty_like(image)
    for i in range(image.shape[0]):
        for j in range(image.shape[1]):
            hue, saturation, value = _to_hsv(image[i, j])
            saturation = min(max(saturation * scale + offset, 0.0), 1.0)
            value = min(max(value + lift, 0.0), 1.0)
            for c, one in enumerate(_to_rgb(hue, saturation, value)):
                out[i, j, c] = np.uint8(min(max(one, 0.0), 1.0) * 255)
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


@compiled
def scatter(image, steps):
    """Every pixel takes the colour of a random near one, in place, from the lower right on.

    Args:
        image: (H, W, 3), uint8.
        steps: (passes, rows, columns, 2) columns and rows to the other one; those pixels at the rim
            that have no step stay.
    """
    reach = (image.shape[0] - steps.shape[1]) // 2
    for one in range(steps.shape[0]):
        for i in range(steps.shape[1]):
            row = image.shape[0] - reach - i
            for j in range(steps.shape[2]):
                column = image.shape[1] - reach - j
                right, down = steps[one, i, j]
                # the published swap gives the other pixel its own colour back: rows are views
                for c in range(3):
                    image[row, column, c] = image[row + down, column + right, c]


@compiled
def halve(heights, step, noise, spread):
    """One step of the diamond-square algorithm: the middles of squares, then of their edges.

    Args:
        heights: (side, side), float32, known at every `step`-th place.
        step: at least 2.
        noise: (3, n, n) of the squares' middles, of their upper and of their left edges.
        spread: what the noise is multiplied by.
    """
    side = len(heights)
    half = step // 2
    four = np.float32(4)
    for i in range(0, side, step):
        below = (i + step) % side
        for j in range(0, side, step):
            right = (j + step) % side
            total = heights[i, j] + heights[below, j]
            total += heights[i, right] + heights[below, right]
            value = noise[0, i // step, j // step] * spread + total / four
            heights[i + half, j + half] = value
    for i in range(0, side, step):
        above = (i - half) % side
        for j in range(0, side, step):
            middles = heights[i + half, j + half] + heights[above, j + half]
            total = middles + (heights[i, j] + heights[i, (j + step) % side])
            heights[i, j + half] = noise[1, i // step, j // step] * spread + total / four
    for i in range(0, side, step):
        below = (i + step) % side
        for j in range(0, side, step):
            middles = heights[i + half, j + half] + heights[i + half, (j - half) % side]
            total = middles + (heights[i, j] + heights[below, j])
            heights[i + half, j] = noise[2, i // step, j // step] * spread + total / four


@compiled
def misty(image, mist, levels, brightest, whole):
    """(levels + mist) times `brightest` / `whole`; uint8."""
    out = np.empty_like(image)
    for i in range(image.shape[0]):
        for j in range(image.shape[1]):
            for c in range(image.shape[2]):
                value = (levels[image[i, j, c]] + mist[i, j]) * brightest / whole
                out[i, j, c] = np.uint8(min(max(value, 0.0), 1.0) * 255)
    return out


@compiled
def whitened(unit, grey, share, rest, layer):
    """Shares of an image and of its paler form, a layer and the layer turned by half a turn; uint8.

    Args:
        unit: (H, W, 3), float32 in [0, 1].
        grey: (H, W), float32, the least value of the paler form.
        share, rest: float32.
        layer: (H, W), float64.
    """
    height, width, channels = unit.shape
    out = np.empty(unit.shape, np.uint8)
    for i in range(height):
        for j in range(width):
            one = layer[i, j]
            other = layer[height - 1 - i, width - 1 - j]
            for c in range(channels):
                mixed = share * unit[i, j, c] + rest * max(unit[i, j, c], grey[i, j])
                out[i, j, c] = np.uint8(min(max(mixed + one + other, 0.0), 1.0) * 255)
    return out
