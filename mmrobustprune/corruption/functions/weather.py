"""Weather: snow, frost, fog and drops on the lens, laid over an image."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from . import kernels, loops
from .base import LEVELS, Draws, in_unit, scaled, truncated
from .blur import moved
from .compiling import missing

try:
    import imagecorruptions
except ImportError as error:
    raise missing('imagecorruptions', error, 'imagecorruptions-imaug') from error

_FROST = Path(imagecorruptions.__file__).parent / 'frost'
_FROST_FILES = ('frost1.png', 'frost2.png', 'frost3.png', 'frost4.jpg', 'frost5.jpg', 'frost6.jpg')
MUD = np.array((63, 42, 20)) / 255.0
WATER = (np.array((175, 238, 238)) / 255.0).astype(np.float32)


def snow(image: np.ndarray, c: tuple, draws: Draws) -> np.ndarray:
    """c: see `flakes` for the first four; radius and sigma of their motion, share of the image."""
    layer = flakes(image.shape[:2], c[:4], draws)
    layer = moved(layer, *c[4:6], draws.uniform(-135, -45))
    layer = np.round(layer * 255).astype(np.uint8) / 255.0
    return snowed(image, layer[: image.shape[0], : image.shape[1]], c[6])


def flakes(shape: tuple[int, int], c: tuple, draws: Draws) -> np.ndarray:
    """Enlarged noise over a threshold, in [0, 1]; `shape` or a little larger.

    Args:
        shape: (H, W).
        c: mean and deviation of the noise, how much it is enlarged, the threshold.
        draws: random numbers.
    """
    mean, deviation, zoom, threshold = c
    noise = draws.normal(mean, deviation, shape)
    layer = np.zeros([kernels.zoomed_size(size, zoom) for size in shape])
    kernels.add_zoomed(noise[..., None], zoom, layer[..., None])
    layer[layer < threshold] = 0
    return np.clip(layer, 0, 1)


def snowed(image: np.ndarray, layer: np.ndarray, share: float) -> np.ndarray:
    """A whitened image under a layer of snow and the same layer turned by half a turn."""
    unit = in_unit(image, np.float32)
    grey = cv2.cvtColor(unit, cv2.COLOR_RGB2GRAY) * 1.5 + 0.5
    return loops.whitened(unit, grey, np.float32(share), np.float32(1 - share), layer)


def frost(image: np.ndarray, c: tuple, draws: Draws) -> np.ndarray:
    """c: shares of the image and of a part of one of six photographs of frost."""
    return _under(image, frost_part(image.shape[:2], draws), c)


def frost_part(shape: tuple[int, int], draws: Draws) -> np.ndarray:
    """A random part, `shape` (H, W) large, of one of six photographs of frost."""
    index = draws.randint(len(_FROST_FILES))
    tall, wide = frost_image(index).shape[:2]
    scale = max(shape[0] / tall, shape[1] / wide, 1)  # larger where the photograph is too small
    grown = _grown_frost(index) if scale == 1 else _grow(frost_image(index), scale)
    return _part(grown, shape, draws)


def frosted(image: np.ndarray, frost: np.ndarray, c: tuple, draws: Draws) -> np.ndarray:
    """An image and a random part of a larger one, added."""
    return _under(image, _part(frost, image.shape[:2], draws), c)


def _part(frost: np.ndarray, shape: tuple[int, int], draws: Draws) -> np.ndarray:
    height, width = shape
    top = draws.randint(0, frost.shape[0] - height)
    left = draws.randint(0, frost.shape[1] - width)
    return frost[top : top + height, left : left + width]


def _under(image: np.ndarray, frost: np.ndarray, c: tuple) -> np.ndarray:
    out = c[1] * frost
    out += c[0] * image
    return truncated(out)


@cache
def frost_image(index: int) -> np.ndarray:
    """One of the six published photographs; (H, W, 3) in RGB."""
    return np.ascontiguousarray(cv2.imread(str(_FROST / _FROST_FILES[index]))[..., ::-1])


def _grow(image: np.ndarray, scale: float) -> np.ndarray:
    size = [math.ceil(side * (scale * 1.1)) for side in image.shape[1::-1]]
    return cv2.resize(image, size, interpolation=cv2.INTER_CUBIC)


@cache
def _grown_frost(index: int) -> np.ndarray:
    return _grow(frost_image(index), 1)


def fog(image: np.ndarray, c: tuple, draws: Draws) -> np.ndarray:
    """c: thickness, and how fast the map gets smoother towards small scales."""
    thickness, decay = c
    brightest = image.max() / 255.0
    side = 1 << (max(image.shape[:2]) - 1).bit_length()
    mist = plasma(side, decay, draws)[: image.shape[0], : image.shape[1]] * thickness
    return loops.misty(image, mist, LEVELS, brightest, brightest + thickness)


def plasma(side: int, decay: float, draws: Draws) -> np.ndarray:
    """A map of heights in [0, 1] by the diamond-square algorithm; (side, side), float32.

    Middles of squares, then of the edges, are the mean of their four neighbours (the map repeats
    itself) plus noise that shrinks by `decay` with every halving; side is a power of two.
    """
    heights = np.zeros((side, side), np.float32)
    step = side
    spread = 100.0
    while step >= 2:
        count = side // step
        noise = draws.uniform(-spread, spread, (3, count, count))
        loops.halve(heights, step, noise, spread)
        step //= 2
        spread = spread / decay
    heights -= heights.min()
    heights /= heights.max()
    return heights


def spatter(image: np.ndarray, c: tuple, draws: Draws) -> np.ndarray:
    """c: mean, deviation, sigma and threshold of the drops, their strength, 1 for mud.

    Of mud the strength is the sigma of its rim.
    """
    threshold, strength, mud = c[3:]
    unit = image.astype(np.float32) / 255.0
    layer = drops(image.shape[:2], c[:4], draws)
    if mud:
        cover = kernels.gaussian((layer > threshold).astype(np.float32), strength)
        cover[cover < 0.8] = 0
        unit *= (1 - cover)[..., None]
        return scaled(unit + MUD * cover[..., None])
    water = film(layer, strength)
    if not water.any():
        return image
    return scaled(unit + water[..., None] * WATER)


def drops(shape: tuple[int, int], c: tuple, draws: Draws) -> np.ndarray:
    """Smooth noise over a threshold; (H, W), float64.

    Args:
        shape: (H, W).
        c: mean and deviation of the noise, sigma, the threshold.
        draws: random numbers.
    """
    mean, deviation, sigma, threshold = c
    layer = kernels.gaussian(draws.normal(mean, deviation, shape), sigma)
    layer[layer < threshold] = 0
    return layer


def film(layer: np.ndarray, strength: float) -> np.ndarray:
    """How much water stands where drops fell, at most `strength`; (H, W), float32."""
    layer = (layer * 255).astype(np.uint8)
    water = layer * _relief(layer)
    if water.max() == 0:  # no drop fell; the published function divides by 0 and paints it black
        return water
    water /= water.max()
    water *= strength
    return water


def _relief(layer: np.ndarray) -> np.ndarray:
    """Drops seen from their edges, float32."""
    near = cv2.distanceTransform(255 - cv2.Canny(layer, 50, 150), cv2.DIST_L2, 5)
    near = cv2.blur(cv2.threshold(near, 20, 20, cv2.THRESH_TRUNC)[1], (3, 3)).astype(np.uint8)
    slope = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]])
    near = cv2.filter2D(cv2.equalizeHist(near), cv2.CV_8U, slope)
    return cv2.blur(near, (3, 3)).astype(np.float32)
