"""The corruption functions of CIFAR-10-C, for 32x32 images: those of ImageNet-C, five of them in a form of their own.

Where the published script (`make_cifar_c.py` of hendrycks/robustness) differs beside the constants: motion blur and the layer
of snow went through 8-bit files, the enlarged snow is cut in its middle, frost is a part of one of the first five pictures
shrunk to a fifth, pixels are enlarged by averaging too, and the elastic transform begins with a random affine one. Its fog
has a map of 32x32 and its other functions are the same. The random numbers are ours, so images equal the published ones in
distribution, not in bits.
"""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from PIL import Image

from . import functions, kernels
from .functions import Draws, Function

SIDE = 32  # pixels


def motion_blur(image: np.ndarray, c: tuple, draws: Draws) -> np.ndarray:
    """c: radius and sigma in pixels."""
    return np.rint(functions.motion_blur(image, c, draws))


def snow(image: np.ndarray, c: tuple, draws: Draws) -> np.ndarray:
    """c: as `functions.snow`."""
    layer = functions.flakes(image.shape[:2], *c[:4], draws)
    top, left = (
        (many - side) // 2 for many, side in zip(layer.shape, image.shape[:2], strict=True)
    )
    layer = np.uint8(layer[top : top + image.shape[0], left : left + image.shape[1]] * 255)
    layer = np.rint(functions.moved(layer, *c[4:6], draws.uniform(-135, -45)))
    return functions.snowed(image, layer / 255.0, c[6])


def frost(image: np.ndarray, c: tuple, draws: Draws) -> np.ndarray:
    """c: shares of the image and of the frost."""
    return functions.frosted(
        image, _small_frost(draws.randint(5)), c, draws
    )  # the sixth picture was never drawn


@cache
def _small_frost(index: int) -> np.ndarray:
    return cv2.resize(functions.frost_picture(index), (0, 0), fx=0.2, fy=0.2)


def pixelate(image: np.ndarray, c: float, draws: Draws) -> np.ndarray:
    """c: share of the side that is left."""
    return functions.pixelate(image, c, draws, Image.Resampling.BOX)


def elastic_transform(image: np.ndarray, c: tuple, draws: Draws) -> np.ndarray:
    """c: how far pixels move, how smoothly, and how far the corners of the affine transform move; pixels."""
    far, sigma, corner = c
    height, width = image.shape[:2]
    middle, reach = np.array((height // 2, width // 2)), min(height, width) // 3
    corners = np.float32([middle + reach, middle + (reach, -reach), middle - reach])
    moved = corners + draws.uniform(-corner, corner, corners.shape).astype(np.float32)
    unit = cv2.warpAffine(
        image.astype(np.float32) / 255.0,
        cv2.getAffineTransform(corners, moved),
        (width, height),
        borderMode=cv2.BORDER_REFLECT_101,
    )
    right, down = (
        kernels.gaussian(draws.uniform(-1, 1, (height, width)), sigma, 'symmetric', 3) * far
        for _ in range(2)
    )
    return functions.elastic(unit, right, down)


FUNCTIONS: dict[str, Function] = {
    **functions.FUNCTIONS,
    **{
        function.__name__: function
        for function in (motion_blur, snow, frost, pixelate, elastic_transform)
    },
}
