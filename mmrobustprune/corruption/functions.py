"""The 19 corruption functions of ImageNet-C (Hendrycks, Dietterich, arXiv 1903.12261), with their constants as an argument.

A function takes an image (H, W, 3) in RGB, uint8, at least 32 pixels a side; the constants of one severity
(`constants.IMAGENET`); and its random numbers. It returns values in [0, 255], float or uint8, that are truncated later, as the
published sets were. With ImageNet's constants and the same random numbers the result is that of `imagecorruptions` to the
last bit (tested for each).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from . import kernels

try:
    import imagecorruptions
    from imagecorruptions.corruptions import disk, getMotionBlurKernel
    from PIL import Image
except ImportError as error:
    raise ImportError(
        f"corruptions need the module 'imagecorruptions' and it does not import ({error}); "
        'pip install imagecorruptions-imaug.'
    ) from error

_FROST = Path(imagecorruptions.__file__).parent / 'frost'
_FROST_FILES = ('frost1.png', 'frost2.png', 'frost3.png', 'frost4.jpg', 'frost5.jpg', 'frost6.jpg')


class Draws(np.random.RandomState):
    """Random numbers of one image in one cell: NumPy's legacy stream and a seed for numba's.

    Args:
        words: 32-bit words.
    """

    def __init__(self, words: np.ndarray) -> None:
        super().__init__(words)
        self.word = int(words[0])


Function = Callable[[np.ndarray, Any, Draws], np.ndarray]


def _scaled(unit: np.ndarray) -> np.ndarray:
    """Clipped to [0, 1] and times 255, in place."""
    np.clip(unit, 0, 1, out=unit)
    unit *= 255
    return unit


def gaussian_noise(image: np.ndarray, c: float, draws: Draws) -> np.ndarray:
    """c: standard deviation."""
    out = draws.normal(size=image.shape, scale=c)
    out += image / 255.0
    return _scaled(out)


def shot_noise(image: np.ndarray, c: float, draws: Draws) -> np.ndarray:
    """c: photons of a white pixel."""
    return _scaled(draws.poisson(image / 255.0 * c) / float(c))


def impulse_noise(image: np.ndarray, c: float, draws: Draws) -> np.ndarray:
    """c: share of values hit; half of them white. The published function draws from a generator nobody seeds."""
    hit, salt = draws.random(image.shape) <= c, draws.random(image.shape) <= 0.5
    return np.where(hit, salt * np.uint8(255), image)


def speckle_noise(image: np.ndarray, c: float, draws: Draws) -> np.ndarray:
    """c: standard deviation at white."""
    out, unit = draws.normal(size=image.shape, scale=c), image / 255.0
    out *= unit
    out += unit
    return _scaled(out)


def gaussian_blur(image: np.ndarray, c: float, draws: Draws) -> np.ndarray:
    """c: sigma in pixels."""
    return _scaled(kernels.gaussian(image / 255.0, c))


def glass_blur(image: np.ndarray, c: tuple, draws: Draws) -> np.ndarray:
    """c: sigma and reach in pixels, passes."""
    sigma, reach, times = c
    blurred = kernels.gaussian(image / 255.0, sigma)
    blurred *= 255
    return _scaled(
        kernels.gaussian(
            kernels.scatter(blurred.astype(np.uint8), reach, times, draws.word) / 255.0, sigma
        )
    )


def defocus_blur(image: np.ndarray, c: tuple, draws: Draws) -> np.ndarray:
    """c: radius of the disk and sigma of its rim in pixels."""
    return _scaled(cv2.filter2D(image / 255.0, -1, _disk(*c)))


_disk = cache(disk)


def motion_blur(image: np.ndarray, c: tuple, draws: Draws) -> np.ndarray:
    """c: radius and sigma in pixels."""
    return np.clip(moved(image, *c, draws.uniform(-45, 45)), 0, 255)


def moved(image: np.ndarray, radius: int, sigma: float, angle: float) -> np.ndarray:
    """The motion blur of ImageMagick, without rounding."""
    return kernels.moved(image, getMotionBlurKernel(2 * radius + 1, sigma), angle)


def zoom_blur(image: np.ndarray, c: tuple, draws: Draws) -> np.ndarray:
    """c: first factor, end and step."""
    unit, factors = (image / 255.0).astype(np.float32), np.arange(*c)
    out = np.zeros_like(unit)
    for factor in factors:
        kernels.add_zoomed(unit, factor, out)
    out += unit
    out /= len(factors) + 1
    return _scaled(out)


def snow(image: np.ndarray, c: tuple, draws: Draws) -> np.ndarray:
    """c: mean and deviation of the flakes, their zoom and threshold, radius and sigma of their motion, share of the image."""
    layer = flakes(image.shape[:2], *c[:4], draws)
    layer = moved(layer, *c[4:6], draws.uniform(-135, -45))
    layer = np.round(layer * 255).astype(np.uint8) / 255.0
    return snowed(image, layer[: image.shape[0], : image.shape[1]], c[6])


def flakes(
    shape: tuple[int, int],
    mean: float,
    deviation: float,
    zoom: float,
    threshold: float,
    draws: Draws,
) -> np.ndarray:
    """Enlarged noise over a threshold, in [0, 1]; `shape` or a little larger."""
    noise = draws.normal(size=shape, loc=mean, scale=deviation)
    layer = np.zeros([kernels.zoomed_size(size, zoom) for size in shape])
    kernels.add_zoomed(noise[..., None], zoom, layer[..., None])
    layer[layer < threshold] = 0
    return np.clip(layer, 0, 1)


def snowed(image: np.ndarray, layer: np.ndarray, share: float) -> np.ndarray:
    """A whitened image under a layer of snow and the same layer turned by half a turn."""
    unit = image.astype(np.float32) / 255.0
    pale = np.maximum(unit, cv2.cvtColor(unit, cv2.COLOR_RGB2GRAY)[..., None] * 1.5 + 0.5)
    out = share * unit + (1 - share) * pale + layer[..., None]
    out += layer[::-1, ::-1, None]
    return _scaled(out)


def frost(image: np.ndarray, c: tuple, draws: Draws) -> np.ndarray:
    """c: shares of the image and of a part of one of six pictures of frost."""
    index = draws.randint(len(_FROST_FILES))
    height, width = image.shape[:2]
    tall, wide = frost_picture(index).shape[:2]
    scale = max(height / tall, width / wide, 1)  # larger where the picture is too small
    return frosted(
        image, _grown_frost(index) if scale == 1 else _grow(frost_picture(index), scale), c, draws
    )


def frosted(image: np.ndarray, picture: np.ndarray, c: tuple, draws: Draws) -> np.ndarray:
    """An image and a random part of a picture, added."""
    height, width = image.shape[:2]
    top, left = (
        draws.randint(0, picture.shape[0] - height),
        draws.randint(0, picture.shape[1] - width),
    )
    out = c[1] * picture[top : top + height, left : left + width]
    out += c[0] * image
    return np.clip(out, 0, 255, out=out)


@cache
def frost_picture(index: int) -> np.ndarray:
    """One of the six published pictures; (H, W, 3) in RGB."""
    return np.ascontiguousarray(cv2.imread(str(_FROST / _FROST_FILES[index]))[..., ::-1])


def _grow(picture: np.ndarray, scale: float) -> np.ndarray:
    size = [math.ceil(side * (scale * 1.1)) for side in picture.shape[1::-1]]
    return cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC)


@cache
def _grown_frost(index: int) -> np.ndarray:
    return _grow(frost_picture(index), 1)


def fog(image: np.ndarray, c: tuple, draws: Draws) -> np.ndarray:
    """c: thickness, and how fast the map gets smoother towards small scales."""
    thickness, decay = c
    out = image / 255.0
    brightest = out.max()
    side = 1 << (max(image.shape[:2]) - 1).bit_length()
    out += (thickness * plasma(side, decay, draws)[: image.shape[0], : image.shape[1]])[..., None]
    out *= brightest
    out /= brightest + thickness
    return _scaled(out)


def plasma(side: int, decay: float, draws: Draws) -> np.ndarray:
    """A map of heights in [0, 1] by the diamond-square algorithm; (side, side), float32; side is a power of two.

    Middles of squares, then of the edges, are the mean of their four neighbours (the map repeats itself) plus noise that
    shrinks by `decay` with every halving.
    """
    heights = np.zeros((side, side), np.float32)
    step, spread = side, 100
    while step >= 2:
        half = step // 2
        corners, middles = heights[::step, ::step], heights[half::step, half::step]

        def noisy(total: np.ndarray, spread: float = spread) -> np.ndarray:
            noise = draws.uniform(-spread, spread, total.shape)
            noise *= spread
            total /= 4
            noise += total
            return noise

        pairs = corners + np.roll(corners, -1, 0)
        middles[...] = noisy(pairs + np.roll(pairs, -1, 1))
        heights[::step, half::step] = noisy(
            (middles + np.roll(middles, 1, 0)) + (corners + np.roll(corners, -1, 1))
        )
        heights[half::step, ::step] = noisy(
            (middles + np.roll(middles, 1, 1)) + (corners + np.roll(corners, -1, 0))
        )
        step, spread = half, spread / decay
    heights -= heights.min()
    heights /= heights.max()
    return heights


def brightness(image: np.ndarray, c: float, draws: Draws) -> np.ndarray:
    """c: added to the value of HSV."""
    return kernels.recoloured(image, 1.0, 0.0, float(c))


def saturate(image: np.ndarray, c: tuple, draws: Draws) -> np.ndarray:
    """c: factor of HSV's saturation, and what is added to it."""
    return kernels.recoloured(image, float(c[0]), float(c[1]), 0.0)


def contrast(image: np.ndarray, c: float, draws: Draws) -> np.ndarray:
    """c: share of the distance from the channel's mean that stays."""
    means = np.mean(image / 255.0, axis=(0, 1))
    levels = np.arange(256)[:, None] / 255.0
    return cv2.LUT(image, _scaled((levels - means) * c + means).astype(np.uint8)[None])


def elastic_transform(image: np.ndarray, c: float, draws: Draws) -> np.ndarray:
    """c: how far pixels move."""
    height, width = image.shape[:2]
    far, sigma = height * 0.005, np.array((height, width)) * 0.01
    right, down = (
        (kernels.gaussian(draws.uniform(-far, far, (height, width)), sigma, 'symmetric', 3) * c)
        for _ in range(2)
    )
    return elastic(image.astype(np.float32) / 255.0, right, down)


def elastic(unit: np.ndarray, right: np.ndarray, down: np.ndarray) -> np.ndarray:
    """An image in [0, 1] whose pixels come from `right` and `down` of their place."""
    columns, rows = np.arange(unit.shape[1]), np.arange(unit.shape[0])[:, None]
    return _scaled(
        kernels.warped(unit, rows + down.astype(np.float32), columns + right.astype(np.float32))
    )


def pixelate(
    image: np.ndarray, c: float, draws: Draws, back: Image.Resampling = Image.Resampling.NEAREST
) -> np.ndarray:
    """c: share of the side that is left; back: how it is enlarged again."""
    height, width = image.shape[:2]
    small = Image.fromarray(image).resize((int(width * c), int(height * c)), Image.Resampling.BOX)
    return np.asarray(small.resize((width, height), back))


def jpeg_compression(image: np.ndarray, c: int, draws: Draws) -> np.ndarray:
    """c: quality of JPEG."""
    file = BytesIO()
    Image.fromarray(image).save(file, 'JPEG', quality=c)
    return np.asarray(Image.open(file))


def spatter(image: np.ndarray, c: tuple, draws: Draws) -> np.ndarray:
    """c: mean, deviation, sigma and threshold of the drops, their strength (of mud: sigma of its rim), 1 for mud."""
    mean, deviation, sigma, threshold, strength, mud = c
    unit = image.astype(np.float32) / 255.0
    layer = kernels.gaussian(draws.normal(size=image.shape[:2], loc=mean, scale=deviation), sigma)
    layer[layer < threshold] = 0
    if mud:
        cover = kernels.gaussian((layer > threshold).astype(np.float32), strength)
        cover[cover < 0.8] = 0
        unit *= (1 - cover)[..., None]
        return _scaled(unit + np.array((63, 42, 20)) / 255.0 * cover[..., None])
    layer = (layer * 255).astype(np.uint8)
    water = layer * _relief(layer)
    if (
        water.max() == 0
    ):  # no drop fell: the published function divides by that 0 and paints the image black
        return image
    water /= water.max()
    water *= strength
    return _scaled(unit + water[..., None] * (np.array((175, 238, 238)) / 255.0).astype(np.float32))


def _relief(layer: np.ndarray) -> np.ndarray:
    """Drops seen from their edges, float32."""
    near = cv2.distanceTransform(255 - cv2.Canny(layer, 50, 150), cv2.DIST_L2, 5)
    near = cv2.blur(cv2.threshold(near, 20, 20, cv2.THRESH_TRUNC)[1], (3, 3)).astype(np.uint8)
    near = cv2.filter2D(
        cv2.equalizeHist(near), cv2.CV_8U, np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]])
    )
    return cv2.blur(near, (3, 3)).astype(np.float32)


FUNCTIONS: dict[str, Function] = {
    function.__name__: function
    for function in (
        gaussian_noise,
        shot_noise,
        impulse_noise,
        defocus_blur,
        glass_blur,
        motion_blur,
        zoom_blur,
        snow,
        frost,
        fog,
        brightness,
        contrast,
        elastic_transform,
        pixelate,
        jpeg_compression,
        speckle_noise,
        gaussian_blur,
        spatter,
        saturate,
    )
}
