"""Images from their low or their high frequencies alone, as in arXiv 1905.13545."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


def _square(u: Tensor, v: Tensor) -> Tensor:
    return torch.maximum(u.abs(), v.abs())


def _half_side(radius: Tensor) -> Tensor:
    return radius


def _corner(radius: Tensor) -> Tensor:
    return radius / radius.max()


# distance of a frequency (u, v), in cycles per image side, from the constant; each in units of the
# half side, so that 1 is the fastest change along an axis
SHAPES: dict[str, Callable[[Tensor, Tensor], Tensor]] = dict(circle=torch.hypot, square=_square)
# radius 1 is a half side, or the farthest corner
NORMALISERS: dict[str, Callable[[Tensor], Tensor]] = dict(half_side=_half_side, corner=_corner)


def radii(height: int, width: int, shape: str = 'circle', normaliser: str = 'half_side') -> Tensor:
    """Normalised radius (H, W) of every frequency in the order of `torch.fft.fft2`.

    Args:
        height: H, in pixels.
        width: W, in pixels.
        shape: 'circle' (Euclidean) or 'square' (the larger of the two directions).
        normaliser: radius 1 is 'half_side' (circles reach 2**.5 in the corners) or the 'corner',
            the greatest there is.

    Raises:
        ValueError: another shape or normaliser, or images of a single pixel.
    """
    for value, known, name in ((shape, SHAPES, 'shape'), (normaliser, NORMALISERS, 'normaliser')):
        if value not in known:
            raise ValueError(
                f'{name}={value!r} is unknown; choose {" or ".join(map(repr, known))}.'
            )
    if height < 2 or width < 2:
        raise ValueError(f'an image of {height}x{width} has no frequencies; give at least 2x2.')
    down = 2 * torch.fft.fftfreq(height, dtype=torch.float64)
    across = 2 * torch.fft.fftfreq(width, dtype=torch.float64)
    u, v = torch.meshgrid(down, across, indexing='ij')
    return NORMALISERS[normaliser](SHAPES[shape](u, v))


def split(
    images: Tensor, theta: float, shape: str = 'circle', normaliser: str = 'half_side'
) -> tuple[Tensor, Tensor]:
    """Images as the sum of two parts.

    Args:
        images: (..., H, W).
        theta: radius that divides the frequencies, at least 0.
        shape: as `radii` has it.
        normaliser: as `radii` has it.

    Returns:
        (low, high), the frequencies of radius < theta and those of radius >= theta.

    Raises:
        ValueError: theta below 0, or as `radii`.
    """
    if not theta >= 0:
        raise ValueError(f'theta={theta} is no radius; give 0 (all is high) or more.')
    low = radii(*images.shape[-2:], shape, normaliser).to(images.device) < theta
    spectrum = torch.fft.fft2(images.double() if images.dtype == torch.float64 else images.float())
    below = torch.fft.ifft2(spectrum * low).real
    above = torch.fft.ifft2(spectrum * ~low).real
    return below.to(images.dtype), above.to(images.dtype)


class FrequencyFilter(nn.Module):
    """Keeps the 'low' or the 'high' part of images (N, C, H, W), as a layer before a network.

    Between normalisation and network it filters what the network sees, which is the default of
    `frequency_accuracy`; before the normalisation it filters pixels, whose mean colour a high-pass
    then removes.

    Raises:
        ValueError: another part; a theta, shape or normaliser that `split` refuses.
    """

    def __init__(
        self, part: str, theta: float, shape: str = 'circle', normaliser: str = 'half_side'
    ) -> None:
        super().__init__()
        if part not in ('low', 'high'):
            raise ValueError(f"part={part!r} is unknown; choose 'low' or 'high'.")
        split(torch.zeros(2, 2), theta, shape, normaliser)  # a wrong value is said now
        self.part = part
        self.options = (theta, shape, normaliser)

    def forward(self, images: Tensor) -> Tensor:
        low, high = split(images, *self.options)
        return low if self.part == 'low' else high
