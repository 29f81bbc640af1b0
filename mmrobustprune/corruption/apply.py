"""One corruption of one image: a function of image, corruption, severity and seed alone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mmrobustprune.naming import unknown

from . import functions
from .functions import Draws, Function, cifar, constants, imagenet_c

SMALLEST = 32  # pixels; the published functions are not defined below
LARGEST = 16384  # pixels; fog makes a square map of the longest side, frost is enlarged to it
_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R 601


@dataclass(frozen=True)
class Family:
    """Functions and constants of one published set.

    Attributes:
        functions: by corruption.
        constants: by corruption, one for each severity.
        side: the only image side (pixels) that they are for, or None.
        crop: what is made of an RGB image before it is corrupted, or None.
        pack: what is made of the corrupted image, or None.
    """

    functions: dict[str, Function]
    constants: dict[str, tuple]
    side: int | None = None
    crop: Callable[[np.ndarray], np.ndarray] | None = None
    pack: Callable[[np.ndarray], np.ndarray] | None = None


FAMILIES = {
    'imagenet': Family(functions.FUNCTIONS, constants.IMAGENET),
    'imagenet-c': Family(
        imagenet_c.FUNCTIONS,
        constants.IMAGENET_C,
        crop=imagenet_c.cropped,
        pack=imagenet_c.packed,
    ),
    'cifar': Family(cifar.FUNCTIONS, constants.CIFAR, cifar.SIDE),
}


def apply(
    image: np.ndarray,
    corruption: str,
    severity: int,
    seed: int = 0,
    family: str | Family = 'imagenet',
) -> np.ndarray:
    """Corrupt one image by the functions of ImageNet-C or CIFAR-10-C (arXiv 1903.12261).

    The random numbers come from blake2b(image, corruption, severity, seed): neither the order of
    calls nor the process nor the thread nor the image's name matters, and no global generator is
    used.

    Args:
        image: (H, W, 3) in **RGB**, or grey as (H, W) or (H, W, 1); uint8, values 0 to 255. A grey
            image is corrupted as the RGB image it stands for and converted back; a side under 32
            pixels is extended by mirroring to the 32 that the functions need, and the result is
            cropped.
        corruption: one of the family's functions, `suites.ALL`.
        severity: 1 to 5.
        seed: any integer; the suite's seed.
        family: 'imagenet' of imagecorruptions, 'imagenet-c' of the set's authors, 'cifar' for
            32x32 images, or a `Family`, as `tensor.family.family_on` makes one.
    Returns:
        uint8 of the same shape, of 'imagenet-c' 224x224 pixels from the middle of the image, as
        they are after a JPEG file; the argument is left as it was.
    Raises:
        TypeError: not a uint8 array.
        ValueError: an unknown corruption, severity or family, a shape that is no image or not the
            family's, a side over 16384.
    """
    published = _family(family)
    check(image, corruption, severity, published)
    grey = image.ndim == 2 or image.shape[2] == 1
    rgb = image.reshape(*image.shape[:2], -1)
    rgb = np.ascontiguousarray(np.broadcast_to(rgb, (*image.shape[:2], 3)))
    if published.crop is not None:
        rgb = published.crop(rgb)
    height, width = rgb.shape[:2]
    if min(height, width) < SMALLEST:
        room = ((0, max(0, SMALLEST - height)), (0, max(0, SMALLEST - width)), (0, 0))
        rgb = np.pad(rgb, room, 'symmetric')
    rgb.setflags(write=False)  # the caller's, or an array of our own
    draws = Draws(entropy(rgb, corruption, severity, seed))
    out = published.functions[corruption](rgb, published.constants[corruption][severity - 1], draws)
    out = np.asarray(out, np.uint8)[:height, :width]  # truncated, as the published sets were
    if published.pack is not None:
        out = published.pack(np.ascontiguousarray(out))
    if grey:
        return np.rint(out @ _LUMA).astype(np.uint8).reshape(height, width, *image.shape[2:])
    return np.array(out, order='C')  # always an array of its own


def _family(family: str | Family) -> Family:
    if isinstance(family, Family):
        return family
    if family not in FAMILIES:
        raise unknown('family', family, FAMILIES)
    return FAMILIES[family]


def check(image: np.ndarray, corruption: str, severity: int, family: Family) -> None:
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        kind = image.dtype if isinstance(image, np.ndarray) else type(image).__name__
        raise TypeError(
            f'{corruption} got an image of {kind}; give a uint8 array with values 0 to 255.'
        )
    channels = image.shape[2] if image.ndim == 3 else 1
    if image.ndim not in (2, 3) or channels not in (1, 3) or 0 in image.shape:
        raise ValueError(
            f'{corruption} got an image of shape {image.shape}; give (H, W, 3) in RGB or grey '
            '(H, W), at least one pixel.'
        )
    if max(image.shape) > LARGEST:
        raise ValueError(
            f'{corruption} got an image of {image.shape[1]}x{image.shape[0]} pixels; give one of '
            f'at most {LARGEST} a side.'
        )
    if corruption not in family.functions:
        raise unknown('corruption', corruption, family.functions)
    whole = isinstance(severity, (int, np.integer)) and not isinstance(severity, bool)
    most = len(family.constants[corruption])
    if not whole or not 1 <= severity <= most:
        raise ValueError(f'severity {severity!r} is not in 1..{most}; choose one of them.')
    side = family.side
    if side is not None and image.shape[:2] != (side, side):
        raise ValueError(
            f'{corruption} of this family is for {side}x{side} images and got '
            f"{image.shape[1]}x{image.shape[0]}; choose family 'imagenet'."
        )


def entropy(rgb: np.ndarray, corruption: str, severity: int, seed: int) -> np.ndarray:
    """Eight 32-bit words that seed the random numbers; every one depends on all the arguments."""
    key = f'{rgb.shape} {corruption} {int(severity)} {int(seed)}'
    digest = hashlib.blake2b(key.encode(), digest_size=32)
    digest.update(rgb)
    return np.frombuffer(digest.digest(), dtype='<u4')
