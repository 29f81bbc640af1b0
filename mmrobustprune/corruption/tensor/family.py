"""Corrupted images by tensor functions: a batch at once, or one by one in the place of arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from mmrobustprune.corruption.apply import SMALLEST, Family, check, entropy
from mmrobustprune.corruption.functions import Draws, constants

from . import FUNCTIONS
from .base import BatchDraws, to_arrays, to_images


def family_on(device: torch.device | str) -> Family:
    """The functions of ImageNet-C on a device, with imagecorruptions' constants, for `apply.apply`.

    Args:
        device: 'cpu', 'cuda' or 'cuda:N'.
    """
    functions = {name: _OnDevice(name, str(device)) for name in FUNCTIONS}
    return Family(functions, constants.IMAGENET)


@dataclass(frozen=True)
class _OnDevice:
    """One tensor function as a function of a single array."""

    name: str
    device: str

    def __call__(self, image: np.ndarray, c: Any, draws: Draws) -> np.ndarray:
        return _corrupted(image[None], self.name, c, [draws], self.device)[0]


def apply_batch(
    images: np.ndarray,
    corruption: str,
    severity: int,
    seed: int = 0,
    device: torch.device | str = 'cpu',
) -> np.ndarray:
    """Corrupt a batch of images of one size on a device.

    The image at place n is `apply.apply(images[n], corruption, severity, seed)`, but for the last
    digit of sums: `docs/results/corruption_tensor/README.md` says how often.

    Args:
        images: (N, H, W, 3) in RGB, uint8, at least one image and 32 pixels a side.
        corruption: one of `suites.ALL`.
        severity: 1 to 5.
        seed: any integer; the suite's seed.
        device: 'cpu', 'cuda' or 'cuda:N'.
    Returns:
        uint8 of the same shape.
    Raises:
        TypeError, ValueError: as `apply.apply`, or another shape.
    """
    shaped = images.ndim == 4 and images.shape[3] == 3 and len(images) > 0
    if not shaped or min(images.shape[1:3]) < SMALLEST:
        raise ValueError(
            f'{corruption} got a batch of shape {images.shape}; give (N, H, W, 3) in RGB, at least '
            f'one image, at least {SMALLEST} pixels a side.'
        )
    images = np.ascontiguousarray(images)
    check(images[0], corruption, severity, family_on(device))
    draws = [Draws(entropy(image, corruption, severity, seed)) for image in images]
    c = constants.IMAGENET[corruption][severity - 1]
    return _corrupted(images, corruption, c, draws, device)


def _corrupted(
    images: np.ndarray, corruption: str, c: Any, draws: Sequence[Draws], device: torch.device | str
) -> np.ndarray:
    batch = to_images(images, device)
    return to_arrays(FUNCTIONS[corruption](batch, c, BatchDraws(draws, device)))
