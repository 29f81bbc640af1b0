"""What a camera or a file format does, on tensors; see `functions.digital`."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from mmrobustprune.corruption.functions import digital

from . import lines
from .base import BatchDraws, in_unit, scaled, to_arrays, to_images
from .colour import recoloured


def brightness(images: Tensor, c: float, draws: BatchDraws) -> Tensor:
    """c: added to the value of HSV."""
    return scaled(recoloured(in_unit(images), 1.0, 0.0, c))


def saturate(images: Tensor, c: tuple, draws: BatchDraws) -> Tensor:
    """c: factor of HSV's saturation, and what is added to it."""
    return scaled(recoloured(in_unit(images), c[0], c[1], 0.0))


def contrast(images: Tensor, c: float, draws: BatchDraws) -> Tensor:
    """c: share of the distance from the channel's mean that stays."""
    unit = in_unit(images)
    means = unit.mean((2, 3), keepdim=True)
    return scaled((unit - means) * c + means)


def elastic_transform(images: Tensor, c: float, draws: BatchDraws) -> Tensor:
    """c: how far pixels move."""
    height, width = images.shape[2:]
    far = height * 0.005
    sigma = (height * 0.01, width * 0.01)
    noise = draws.take(lambda one: one.uniform(-far, far, (2, height, width)))
    right, down = (c * lines.gaussian(noise, sigma, 'symmetric', 3)).float().unbind(1)
    rows = torch.arange(height, device=images.device, dtype=torch.float64)[:, None] + down
    columns = torch.arange(width, device=images.device, dtype=torch.float64) + right
    return scaled(warped(in_unit(images, torch.float32), rows, columns))


def warped(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Images at other places between their pixels, as `functions.loops.warped`.

    Args:
        images: (N, C, H, W).
        rows, columns: (N, H, W), float64, pixels.
    """
    above, below, down = _between(rows, images.shape[2])
    left, right, far = _between(columns, images.shape[3])
    batch = torch.arange(len(images), device=images.device)[:, None, None]
    every = images.permute(0, 2, 3, 1)
    up = 1.0 - down
    near = 1.0 - far
    out = every[batch, above, left] * up * near
    out = out + every[batch, above, right] * up * far
    out = out + every[batch, below, left] * down * near
    out = out + every[batch, below, right] * down * far
    return out.to(images.dtype).permute(0, 3, 1, 2)


def _between(at: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Both neighbours of places on a line that is mirrored at its ends, and the second's share."""
    at = (at + 0.5).remainder(2 * size)
    at = torch.minimum(at, 2 * size - at) - 0.5
    first = at.floor()
    share = (at - first)[..., None]
    first = first.long()
    return first.clamp(min=0), (first + 1).clamp(max=size - 1), share


def pixelate(images: Tensor, c: float, draws: BatchDraws) -> Tensor:
    """c: share of the side that is left."""
    small = tuple(int(side * c) for side in images.shape[2:])
    down, right = (
        torch.from_numpy(_boxes(side, less)).to(images)
        for side, less in zip(images.shape[2:], small, strict=True)
    )
    few = (images @ right.T + 0.5).floor()  # Pillow rounds between the axes, too
    few = (down @ few + 0.5).floor()
    rows, columns = (
        torch.from_numpy(_nearest(less, side)).to(images.device)
        for side, less in zip(images.shape[2:], small, strict=True)
    )
    return few.index_select(2, rows).index_select(3, columns)


@lru_cache(maxsize=64)
def _boxes(size: int, small: int) -> np.ndarray:
    """(small, size) what every pixel of a line shrunk by Pillow's box filter is made of."""
    scale = size / small
    at = np.arange(size)
    middle = (np.arange(small)[:, None] + 0.5) * scale
    away = (at - middle + 0.5) * (1.0 / scale)  # rounded as there: some pixels lie on a rim
    inside = (away > -0.5) & (away <= 0.5)
    inside &= (at >= (middle - scale / 2 + 0.5).astype(int)) & (
        at < (middle + scale / 2 + 0.5).astype(int)
    )
    return inside / inside.sum(1, keepdims=True)


@lru_cache(maxsize=64)
def _nearest(small: int, size: int) -> np.ndarray:
    """(size,) which pixel of a short line Pillow takes for every pixel of a long one."""
    line = Image.fromarray(np.arange(small, dtype=np.int32)[None])
    return np.array(line.resize((size, 1), Image.Resampling.NEAREST))[0].astype(np.int64)


def jpeg_compression(images: Tensor, c: int, draws: BatchDraws) -> Tensor:
    """c: quality of JPEG. By libjpeg, image by image: no other code writes the same files."""
    arrays = zip(to_arrays(images), draws.each, strict=True)
    out = np.stack([digital.jpeg_compression(image, c, one) for image, one in arrays])
    return to_images(out, images.device)
