"""Deformable RoI pooling (Dai et al., ICCV 2017): RoIAlign whose bins are moved."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import torch
from torch import Tensor

from .interpolation import interpolate, points_in_bins
from .precision import gradients, wide

OPERATORS = ('deform_roi_pool_forward', 'deform_roi_pool_backward')


def deform_roi_pool_forward(
    input: Tensor,
    rois: Tensor,
    offset: Tensor,
    output: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    gamma: float,
) -> None:
    """The mean of the points in each bin, moved by gamma * offset * the region's extent.

    Args:
        input: (N, C, H, W).
        rois: (R, 5): index of the image, x1, y1, x2, y2 in its pixels.
        offset: (R, 2, pooled_height, pooled_width), x before y, or of no elements.
        output: (R, C, pooled_height, pooled_width), written.
        sampling_ratio: points of a bin along each axis; 0: as many as it has pixels.
    """
    if len(rois) == 0:
        return
    numbers = (pooled_height, pooled_width, spatial_scale, sampling_ratio, gamma)
    output.copy_(_pool(wide(input), _offsets(offset, rois, numbers), rois=rois, numbers=numbers))


def deform_roi_pool_backward(
    grad_output: Tensor,
    input: Tensor,
    rois: Tensor,
    offset: Tensor,
    grad_input: Tensor,
    grad_offset: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    gamma: float,
) -> None:
    """Gradients of the input and, where there are any, of the offsets, written."""
    if len(rois) == 0:
        return
    numbers = (pooled_height, pooled_width, spatial_scale, sampling_ratio, gamma)
    pool = functools.partial(_pool, rois=rois, numbers=numbers)
    inputs = (input, _offsets(offset, rois, numbers))
    of_input, of_offset = gradients(pool, inputs, grad_output)
    grad_input.copy_(of_input)
    if offset.numel():
        grad_offset.copy_(of_offset)


def _offsets(offset: Tensor, rois: Tensor, numbers: Sequence) -> Tensor:
    return wide(offset) if offset.numel() else wide(rois).new_zeros(len(rois), 2, *numbers[:2])


def _pool(input: Tensor, offsets: Tensor, rois: Tensor, numbers: Sequence) -> Tensor:
    height, width, scale, ratio, gamma = numbers
    pooled = []
    for roi, offset in zip(wide(rois), offsets, strict=True):
        x1, y1, x2, y2 = roi[1:] * scale - 0.5
        y = points_in_bins(y1, y2 - y1, height, ratio)[:, None, :, None]
        x = points_in_bins(x1, x2 - x1, width, ratio)[None, :, None, :]
        y = y + (gamma * (y2 - y1) * offset[1])[:, :, None, None]
        x = x + (gamma * (x2 - x1) * offset[0])[:, :, None, None]
        values = interpolate(input[int(roi[0])], y[None], x[None]).flatten(3)
        pooled.append(values.sum(3) / max(values.shape[3], 1))
    return torch.stack(pooled)
