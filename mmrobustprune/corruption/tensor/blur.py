"""Blur on tensors; see `functions.blur`."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from mmrobustprune.corruption.functions.blur import motion_weights, round_kernel

from . import lines
from .base import BatchDraws, in_unit, scaled


def gaussian_blur(images: Tensor, c: float, draws: BatchDraws) -> Tensor:
    """c: sigma in pixels."""
    return scaled(lines.gaussian(in_unit(images), c))


def glass_blur(images: Tensor, c: tuple, draws: BatchDraws) -> Tensor:
    """c: sigma and reach in pixels, passes."""
    sigma, reach, times = c
    blurred = scaled(lines.gaussian(in_unit(images), sigma)).floor()
    height, width = (side - 2 * reach for side in images.shape[2:])
    steps = draws.take(lambda one: one.first.steps(reach, (times, height, width, 2)))
    for one in steps.long().unbind(1):
        blurred = scattered(blurred, one)
    return scaled(lines.gaussian(in_unit(blurred), sigma))


def scattered(images: Tensor, steps: Tensor) -> Tensor:
    """One pass of `functions.loops.scatter`: every pixel takes the colour of a random near one.

    There one pixel follows the other from the lower right on, so a pixel gets what its neighbour
    has got already, or the neighbour's own colour where that comes later. Who gets whose own colour
    is found by doubling: each pixel asks the one that it points to, then the one that this one has
    found, until all have found a colour.

    Args:
        images: (N, C, H, W).
        steps: (N, rows, columns, 2), int64, columns and rows to the other pixel.
    """
    number, channels, height, width = images.shape
    reach = (height - steps.shape[1]) // 2
    rows = height - reach - torch.arange(steps.shape[1], device=images.device)[:, None]
    columns = width - reach - torch.arange(steps.shape[2], device=images.device)
    own = rows * width + columns
    other = (rows + steps[..., 1]) * width + columns + steps[..., 0]
    size = height * width
    # below `size`: the pixel to ask; from there on: the pixel whose own colour it is
    found = torch.arange(size, 2 * size, device=images.device).repeat(number, 1)
    found[:, own.flatten()] = torch.where(other > own, other, other + size).flatten(1)
    while bool((asking := found < size).any()):
        found = torch.where(asking, found.gather(1, found.clamp(max=size - 1)), found)
    source = (found - size)[:, None].expand(-1, channels, -1)
    return images.flatten(2).gather(2, source).view_as(images)


def defocus_blur(images: Tensor, c: tuple, draws: BatchDraws) -> Tensor:
    """c: radius of the disk and sigma of its rim in pixels."""
    kernel = torch.from_numpy(round_kernel(*c)).to(images)
    reach = len(kernel) // 2
    room = pad(in_unit(images), (reach,) * 4, mode='reflect')
    size = room.shape[2:]
    # the disk is the same when turned, so this is the correlation that OpenCV makes
    spectrum = torch.fft.rfft2(room) * torch.fft.rfft2(kernel, s=size)
    out = torch.fft.irfft2(spectrum, s=size)
    return scaled(out[..., 2 * reach :, 2 * reach :])


def motion_blur(images: Tensor, c: tuple, draws: BatchDraws) -> Tensor:
    """c: radius and sigma in pixels."""
    angles = [one.uniform(-45, 45) for one in draws.each]
    return lines.moved(images, motion_weights(*c), angles).clamp(0, 255)


def zoom_blur(images: Tensor, c: tuple, draws: BatchDraws) -> Tensor:
    """c: first factor, end and step."""
    unit = in_unit(images).float()
    factors = np.arange(*c)
    out = torch.zeros_like(unit)
    for factor in factors:
        out += lines.enlarged(unit.double(), factor, images.shape[2:]).float()
    out += unit
    return scaled(out / (len(factors) + 1))
