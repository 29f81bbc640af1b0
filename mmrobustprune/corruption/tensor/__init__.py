"""The 19 corruption functions on batches of images, on any device.

A function takes images (N, 3, H, W) in RGB, float64 with the whole values 0 to 255, at least 32
pixels a side; the constants of one severity (`functions.constants.IMAGENET`); and the random
numbers of every image (`BatchDraws`). It returns values in [0, 255], float, that are truncated
later.

The random numbers are drawn on the CPU, by the generators and in the order of `functions`, so an
image is the one of the same name there, but for the last digit of sums. Two things stay with their
libraries: JPEG, whose files only libjpeg writes, and the film of water of spatter, which OpenCV
makes of the random numbers alone.
"""

from .base import BatchDraws, TensorFunction
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

FUNCTIONS: dict[str, TensorFunction] = {
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

__all__ = ['FUNCTIONS', 'BatchDraws', 'TensorFunction']
