"""Weather on tensors; see `functions.weather`."""

from __future__ import annotations

import torch
from torch import Tensor

from mmrobustprune.corruption.functions import kernels, weather
from mmrobustprune.corruption.functions.blur import motion_weights

from . import lines
from .base import BatchDraws, in_unit, scaled

_LUMA = (0.299, 0.587, 0.114)  # OpenCV's, of RGB


def snow(images: Tensor, c: tuple, draws: BatchDraws) -> Tensor:
    """c: mean and deviation of the flakes, how much they are enlarged, their threshold; radius and
    sigma of their motion, share of the image.
    """
    mean, deviation, zoom, threshold, radius, sigma, share = c
    height, width = images.shape[2:]
    noise = draws.take(lambda one: one.normal(mean, deviation, (height, width)))
    angles = [one.uniform(-135, -45) for one in draws.each]
    whole = tuple(kernels.zoomed_size(side, zoom) for side in (height, width))
    layer = lines.enlarged(noise[:, None], zoom, whole)
    layer = torch.where(layer < threshold, 0, layer).clamp(0, 1)
    layer = lines.moved(layer, motion_weights(radius, sigma), angles)
    layer = ((layer * 255).round() / 255)[..., :height, :width]
    unit = in_unit(images, torch.float32)
    grey = (unit * unit.new_tensor(_LUMA)[:, None, None]).sum(1, keepdim=True) * 1.5 + 0.5
    mixed = share * unit + (1 - share) * torch.maximum(unit, grey)
    return scaled(mixed.double() + layer + layer.flip(2, 3))


def frost(images: Tensor, c: tuple, draws: BatchDraws) -> Tensor:
    """c: shares of the image and of the frost."""
    parts = draws.pixels(lambda one: weather.frost_part(images.shape[2:], one))
    return (c[1] * parts.double() + c[0] * images).clamp(0, 255)


def fog(images: Tensor, c: tuple, draws: BatchDraws) -> Tensor:
    """c: thickness, and how fast the map gets smoother towards small scales."""
    thickness, decay = c
    height, width = images.shape[2:]
    unit = in_unit(images)
    brightest = unit.amax((1, 2, 3), keepdim=True)
    side = 1 << (max(height, width) - 1).bit_length()
    mist = plasma(side, decay, draws)[:, None, :height, :width] * thickness
    return scaled((unit + mist) * brightest / (brightest + thickness))


def plasma(side: int, decay: float, draws: BatchDraws) -> Tensor:
    """Maps of heights in [0, 1], as `functions.weather.plasma`; (N, side, side), float32."""
    heights = torch.zeros((len(draws.each), side, side), device=draws.device)
    step = side
    spread = 100.0
    while step >= 2:
        size = (3, side // step, side // step)
        noise = draws.take(lambda one, size=size, far=spread: one.uniform(-far, far, size))
        _halve(heights, step, noise * spread)
        step //= 2
        spread = spread / decay
    heights -= heights.amin((1, 2), keepdim=True)
    return heights / heights.amax((1, 2), keepdim=True)


def _halve(heights: Tensor, step: int, noise: Tensor) -> None:
    """The middles of squares, then of their edges, as `functions.loops.halve`.

    Args:
        heights: (N, side, side), known at every `step`-th place.
        step: at least 2.
        noise: (N, 3, n, n) of the squares' middles, of their upper and of their left edges.
    """
    half = step // 2
    corner = heights[:, ::step, ::step].clone()
    below = corner.roll(-1, 1)
    right = corner.roll(-1, 2)
    heights[:, half::step, half::step] = (
        noise[:, 0] + (corner + below + (right + below.roll(-1, 2))) / 4
    )
    middle = heights[:, half::step, half::step].clone()
    heights[:, ::step, half::step] = (
        noise[:, 1] + (middle + middle.roll(1, 1) + (corner + right)) / 4
    )
    heights[:, half::step, ::step] = (
        noise[:, 2] + (middle + middle.roll(1, 2) + (corner + below)) / 4
    )


def spatter(images: Tensor, c: tuple, draws: BatchDraws) -> Tensor:
    """c: mean, deviation, sigma and threshold of the drops, their strength, 1 for mud.

    Of mud the strength is the sigma of its rim.
    """
    threshold, strength, mud = c[3:]
    size = images.shape[2:]
    unit = in_unit(images, torch.float32)
    if mud:
        layer = draws.take(lambda one: weather.drops(size, c[:4], one))[:, None]
        cover = lines.gaussian((layer > threshold).double(), strength).float()
        cover = torch.where(cover < 0.8, 0, cover)
        colour = unit.new_tensor(weather.MUD, dtype=torch.float64)[:, None, None]
        return scaled(unit * (1 - cover) + colour * cover)
    water = draws.take(lambda one: weather.film(weather.drops(size, c[:4], one), strength))[:, None]
    colour = unit.new_tensor(weather.WATER)[:, None, None]
    wet = water.amax((1, 2, 3), keepdim=True) > 0
    return torch.where(wet, scaled(unit + water * colour), images)
