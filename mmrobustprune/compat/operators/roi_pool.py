"""RoI pooling (Girshick, ICCV 2015): the maxima of the pixels in the bins of regions."""

from __future__ import annotations

import torch
from torch import Tensor

from .precision import wide

OPERATORS = ('roi_pool_forward', 'roi_pool_backward')


def roi_pool_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """The maximum of each bin, whose edges are rounded outwards; 0 where a bin is outside the map.

    torchvision's operator rounds the region first, mmcv's does not.

    Args:
        input: (N, C, H, W).
        rois: (R, 5): index of the image, x1, y1, x2, y2 in its pixels, the last ones within.
        output: (R, C, pooled_height, pooled_width), written.
        argmax: as `output`, written: y * W + x of the maximum, -1 where there is none.
        spatial_scale: pixels of the map for one of the image.
    """
    height, width = input.shape[2:]
    for index, roi in enumerate(wide(rois)):
        x1, y1 = roi[1:3] * spatial_scale
        x2, y2 = (roi[3:] + 1) * spatial_scale
        y, is_y = _pixels(y1, y2, pooled_height, height)
        x, is_x = _pixels(x1, x2, pooled_width, width)
        places = y[:, None, :, None] * width + x[None, :, None, :]
        is_in = (is_y[:, None, :, None] & is_x[None, :, None, :]).flatten(2)
        values = input[int(roi[0])].flatten(1)[:, places].flatten(3)
        values = values.masked_fill(~is_in, -torch.inf)
        best, where = values.max(3)
        place = places.flatten(2).expand(len(best), -1, -1, -1).gather(3, where[..., None])[..., 0]
        is_empty = ~is_in.any(2)
        output[index] = best.masked_fill(is_empty, 0)
        argmax[index] = place.masked_fill(is_empty, -1).to(argmax.dtype)


def _pixels(start: Tensor, end: Tensor, bins: int, size: int) -> tuple[Tensor, Tensor]:
    """Pixels of each bin along an axis, (bins, most in a bin), and which of them are in it."""
    step = (end - start) / bins
    number = torch.arange(bins, device=start.device)
    first = (number * step + start).floor().clamp(0, size).long()
    last = ((number + 1) * step + start).ceil().clamp(0, size).long()
    last = torch.where(step > 0, last, first)
    most = max(int((last - first).max()), 1)
    pixels = first[:, None] + torch.arange(most, device=start.device)
    return pixels.clamp(max=size - 1), pixels < last[:, None]


def roi_pool_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax: Tensor,
    grad_input: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """Adds each gradient to the pixel that was the maximum, in `grad_input` (N, C, H, W)."""
    image = rois[:, 0].long()[:, None, None]
    channel = torch.arange(argmax.shape[1], device=argmax.device)[:, None]
    place = argmax.flatten(2).long()
    gradient = grad_output.flatten(2).masked_fill(place < 0, 0)
    where = (image, channel, place.clamp(min=0))
    grad_input.flatten(2).index_put_(where, gradient, accumulate=True)
