"""RoIAlign (He et al., ICCV 2017): features of regions from interpolated points."""

from __future__ import annotations

import torch
import torchvision.ops  # noqa: F401  registers torch.ops.torchvision
from torch import Tensor

from .interpolation import interpolate, points_in_bins
from .precision import gradients, wide

OPERATORS = ('roi_align_forward', 'roi_align_backward')


def roi_align_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Mean (pool_mode 1) or maximum (0) of the points in each bin of each region.

    Args:
        input: (N, C, H, W).
        rois: (R, 5): index of the image, x1, y1, x2, y2 in its pixels.
        output: (R, C, aligned_height, aligned_width), written.
        argmax_y, argmax_x: as `output`, written with the maximum: where it is.
        spatial_scale: pixels of the map for one of the image.
        sampling_ratio: points of a bin along each axis; 0: as many as it has pixels.
        aligned: False leaves out a shift by half a pixel, as old networks were trained.
    """
    size = (aligned_height, aligned_width)
    if pool_mode == 1:
        numbers = (spatial_scale, *size, max(sampling_ratio, 0), aligned)
        output.copy_(torch.ops.torchvision.roi_align(wide(input), wide(rois), *numbers))
        return
    for index, roi in enumerate(wide(rois)):
        y, x = _points(roi[1:] * spatial_scale, size, sampling_ratio, aligned)
        if y.shape[3] == 0:  # a region without extent has no point: 0, and no gradient
            argmax_y[index] = argmax_x[index] = -2  # outside the map
            continue
        best, where = interpolate(wide(input)[int(roi[0])], y, x).max(3, keepdim=True)
        output[index] = best[..., 0].to(output.dtype)
        argmax_y[index] = y.expand(len(where), -1, -1, -1).gather(3, where)[..., 0]
        argmax_x[index] = x.expand(len(where), -1, -1, -1).gather(3, where)[..., 0]


def _points(
    box: Tensor, size: tuple[int, int], points: int, aligned: bool
) -> tuple[Tensor, Tensor]:
    """y and x of the points of every bin, (1, *size, points in a bin)."""
    x1, y1, x2, y2 = box - 0.5 if aligned else box
    least = 0.0 if aligned else 1.0
    y = points_in_bins(y1, (y2 - y1).clamp(min=least), size[0], points)
    x = points_in_bins(x1, (x2 - x1).clamp(min=least), size[1], points)
    y, x = torch.broadcast_tensors(y[None, :, None, :, None], x[None, None, :, None, :])
    return y.flatten(3), x.flatten(3)


def roi_align_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_input: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """The gradient of the input, written into `grad_input` (N, C, H, W)."""
    if pool_mode == 1:
        numbers = (spatial_scale, aligned_height, aligned_width, *grad_input.shape)
        backward = torch.ops.torchvision._roi_align_backward
        grad_input.copy_(
            backward(wide(grad_output), wide(rois), *numbers, max(sampling_ratio, 0), aligned)
        )
        return
    if len(rois) == 0:
        return

    def at_the_maxima(input: Tensor) -> Tensor:
        images = rois[:, 0].long().tolist()
        found = [
            interpolate(input[image], y, x)
            for image, y, x in zip(images, wide(argmax_y), wide(argmax_x), strict=True)
        ]
        return torch.stack(found)

    (gradient,) = gradients(at_the_maxima, (grad_input,), grad_output)
    grad_input.copy_(gradient)
