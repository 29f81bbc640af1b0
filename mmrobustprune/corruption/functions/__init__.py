"""The 19 corruption functions of ImageNet-C (arXiv 1903.12261).

A function takes an image (H, W, 3) in RGB, uint8, at least 32 pixels a side; the constants of one
severity (`constants.IMAGENET`); and its random numbers. It returns values in [0, 255], float or
uint8, that are truncated later, as the published sets were. With ImageNet's constants and the same
random numbers the result is that of `imagecorruptions` to the last bit (tested for each).
"""

from .base import Draws, Function
from .blur import defocus_blur, gaussian_blur, glass_blur, motion_blur, zoom_blur
from .digital import (
    brightness,
    contrast,
    elastic_transform,
    jpeg_compression,
    pixelate,
    saturate,
)
from .noise import gaussian_noise, impulse_noise, shot_noise, speckle_noise
from .weather import fog, frost, snow, spatter

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

__all__ = ['FUNCTIONS', 'Draws', 'Function']
