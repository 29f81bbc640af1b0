"""The corruption functions of CIFAR-10-C, for 32x32 images: ImageNet-C's, five in another form.

Where the published script (`make_cifar_c.py` of hendrycks/robustness) differs beside the
constants: motion blur and the layer of snow went through 8-bit files, the enlarged snow is taken
from its middle, frost is a part of one of the first five photographs shrunk to a fifth, pixels are
enlarged by averaging too, and the elastic transform begins with a random affine one. Its fog has a
map of 32x32 and its other functions are the same. The random numbers are ours, so images equal the
published ones in distribution, not in bits.
"""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from PIL import Image

from . import FUNCTIONS as IMAGENET
from . import blur, digital, kernels, weather
from .base import Draws, Function, truncated

SIDE = 32  # pixels


def motion_blur(image: np.ndarray, c: tuple, draws: Draws) -> np.ndarray:
    """c: radius and sigma in pixels."""
    moved = blur.moved(image, *c, draws.uniform(-45, 45))
    return truncated(np.rint(moved))


def snow(image: np.ndarray, c: tuple, draws: Draws) -> np.ndarray:
    """c: as `weather.snow`."""
    height, width = image.shape[:2]
    layer = weather.flakes((height, width), c[:4], draws)
    top = (layer.shape[0] - height) // 2
    left = (layer.shape[1] - width) // 2
    layer = np.uint8(layer[top : top + height, left : left + width] * 255)
    layer = np.rint(blur.moved(layer, *c[4:6], draws.uniform(-135, -45)))
    return weather.snowed(image, layer / 255.0, c[6])


def frost(image: np.ndarray, c: tuple, draws: Draws) -> np.ndarray:
    """c: shares of the image and of the frost."""
    index = draws.randint(5)  # the sixth photograph was never drawn
    return weather.frosted(image, _small_frost(index), c, draws)


@cache
def _small_frost(index: int) -> np.ndarray:
    return cv2.resize(weather.frost_image(index), (0, 0), fx=0.2, fy=0.2)


def pixelate(image: np.ndarray, c: float, draws: Draws) -> np.ndarray:
    """c: share of the side that is left."""
    return digital.pixelate(image, c, draws, Image.Resampling.BOX)


def elastic_transform(image: np.ndarray, c: tuple, draws: Draws) -> np.ndarray:
    """c: how far and how smoothly pixels move, and how far the affine corners move; pixels."""
    far, sigma, corner = c
    height, width = image.shape[:2]
    middle = np.array((height // 2, width // 2))
    reach = min(height, width) // 3
    corners = np.float32([middle + reach, middle + (reach, -reach), middle - reach])
    moved = corners + draws.uniform(-corner, corner, corners.shape).astype(np.float32)
    unit = cv2.warpAffine(
        image.astype(np.float32) / 255.0,
        cv2.getAffineTransform(corners, moved),
        (width, height),
        borderMode=cv2.BORDER_REFLECT_101,
    )

    def field() -> np.ndarray:
        return far * kernels.gaussian(draws.uniform(-1, 1, (height, width)), sigma, 'symmetric', 3)

    right = field()
    down = field()
    return digital.elastic(unit, right, down)


FUNCTIONS: dict[str, Function] = {
    **IMAGENET,
    'motion_blur': motion_blur,
    'snow': snow,
    'frost': frost,
    'pixelate': pixelate,
    'elastic_transform': elastic_transform,
}
