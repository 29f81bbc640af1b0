"""What a camera or a file format does: brightness, contrast, coarse pixels, JPEG, a warped grid."""

from __future__ import annotations

from io import BytesIO

import cv2
import numpy as np
from PIL import Image

from . import kernels, loops
from .base import LEVELS, Draws, in_unit, scaled


def brightness(image: np.ndarray, c: float, draws: Draws) -> np.ndarray:
    """c: added to the value of HSV."""
    return loops.recoloured(image, 1.0, 0.0, float(c))


def saturate(image: np.ndarray, c: tuple, draws: Draws) -> np.ndarray:
    """c: factor of HSV's saturation, and what is added to it."""
    return loops.recoloured(image, float(c[0]), float(c[1]), 0.0)


def contrast(image: np.ndarray, c: float, draws: Draws) -> np.ndarray:
    """c: share of the distance from the channel's mean that stays."""
    means = loops.means(image, LEVELS)
    return cv2.LUT(image, scaled((LEVELS[:, None] - means) * c + means)[None])


def elastic_transform(image: np.ndarray, c: float, draws: Draws) -> np.ndarray:
    """c: how far pixels move."""
    height, width = image.shape[:2]
    far = height * 0.005
    sigma = np.array((height, width)) * 0.01

    def field() -> np.ndarray:
        return c * kernels.gaussian(
            draws.uniform(-far, far, (height, width)), sigma, 'symmetric', 3
        )

    right = field()
    down = field()
    return elastic(in_unit(image, np.float32), right, down)


def elastic(unit: np.ndarray, right: np.ndarray, down: np.ndarray) -> np.ndarray:
    """An image in [0, 1] whose pixels come from `right` and `down` of their place."""
    columns = np.arange(unit.shape[1]) + right.astype(np.float32)
    rows = np.arange(unit.shape[0])[:, None] + down.astype(np.float32)
    return scaled(loops.warped(unit, rows, columns))


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
