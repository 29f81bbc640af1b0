"""Points in the bins of a region, and a feature map's values there."""

from __future__ import annotations

import torch
from torch import Tensor


def points_in_bins(start: Tensor, extent: Tensor, bins: int, points: int) -> Tensor:
    """Coordinates of the points, in the middles of equal parts of each bin, along one axis.

    Args:
        start: where the region begins, in pixels of the map; a scalar.
        extent: how long it is.
        bins: into how many bins it is divided.
        points: how many points a bin has; 0 or less: one for each pixel that it begins.

    Returns:
        (bins, points).
    """
    step = extent / bins
    count = points if points > 0 else int(step.ceil().clamp(min=0))
    bin_ = torch.arange(bins, device=start.device)[:, None]
    part = torch.arange(count, device=start.device) + 0.5
    return start + bin_ * step + part * step / max(count, 1)


def interpolate(features: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """Bilinear interpolation; 0 from a pixel outside the map on.

    Args:
        features: (C, H, W).
        y, x: of one shape (1 or C, ...) when broadcast, in pixels, the first pixel at 0.

    Returns:
        (C, ...).
    """
    channels, height, width = features.shape
    y, x = torch.broadcast_tensors(y, x)
    is_near = (y >= -1) & (y <= height) & (x >= -1) & (x <= width)
    y = y.clamp(0, height - 1)
    x = x.clamp(0, width - 1)
    top = y.detach().long()
    left = x.detach().long()
    bottom = (top + 1).clamp(max=height - 1)
    right = (left + 1).clamp(max=width - 1)
    low_y = y - top
    low_x = x - left
    flat = features.flatten(1)

    def at(row: Tensor, column: Tensor) -> Tensor:
        places = (row * width + column).expand(channels, *y.shape[1:])
        return flat.gather(1, places.flatten(1)).view(places.shape)

    value = (1 - low_y) * (1 - low_x) * at(top, left) + (1 - low_y) * low_x * at(top, right)
    value = value + low_y * (1 - low_x) * at(bottom, left) + low_y * low_x * at(bottom, right)
    return value * is_near
