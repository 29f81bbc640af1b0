"""The corruption functions of ImageNet-C as its authors made it: 224x224 pixels, packed as JPEG.

Where the published script (`make_imagenet_c.py` of hendrycks/robustness) differs from
imagecorruptions: a photograph is resized to 256 pixels on its shorter side and its middle of
224x224 is corrupted; the elastic transform begins with a random affine one and has constants of its
own; motion blur and the layer of snow went through 8-bit files, the enlarged snow is taken from its
middle; frost is a part of one of the first five photographs as they are; pixels are enlarged by
averaging too; and every result is a JPEG file of quality 85. The random numbers are ours, so images
equal the published ones in distribution, not in bits.
"""

from __future__ import annotations

from io import BytesIO

import numpy as np
from PIL import Image

from . import FUNCTIONS as COMMON
from . import cifar, weather
from .base import Draws, Function

SIDE = 224  # pixels of what is corrupted
SHORT = 256  # pixels of the shorter side before
QUALITY = 85


def cropped(image: np.ndarray) -> np.ndarray:
    """The middle of a photograph: Resize(256) and CenterCrop(224) of the authors.

    Args:
        image: (H, W, 3) in RGB, uint8.
    """
    height, width = image.shape[:2]
    short = min(height, width)
    size = (int(SHORT * width / short), int(SHORT * height / short))
    small = Image.fromarray(image).resize(size, Image.Resampling.BILINEAR)
    left, top = (round((side - SIDE) / 2) for side in size)
    return np.asarray(small.crop((left, top, left + SIDE, top + SIDE)))


def packed(image: np.ndarray) -> np.ndarray:
    """What a JPEG file of the image holds."""
    file = BytesIO()
    Image.fromarray(image).save(file, 'JPEG', quality=QUALITY)
    return np.asarray(Image.open(file))


def frost(image: np.ndarray, c: tuple, draws: Draws) -> np.ndarray:
    """c: shares of the image and of the frost."""
    index = draws.randint(5)  # the sixth photograph was never drawn
    return weather.frosted(image, weather.frost_image(index), c, draws)


FUNCTIONS: dict[str, Function] = {
    **COMMON,
    'motion_blur': cifar.motion_blur,
    'snow': cifar.snow,
    'frost': frost,
    'pixelate': cifar.pixelate,
    'elastic_transform': cifar.elastic_transform,
}
