"""Attention to a few sampled points of several feature maps (Deformable DETR, ICLR 2021)."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from .precision import gradients, wide

OPERATORS = ('ms_deform_attn_forward', 'ms_deform_attn_backward')


def ms_deform_attn_forward(
    value: Tensor,
    spatial_shapes: Tensor,
    level_start_index: Tensor,
    sampling_locations: Tensor,
    attention_weights: Tensor,
    im2col_step: int,
) -> Tensor:
    """Sum over levels and points of weight * value(location): mmcv's own form for CPUs.

    Args:
        value: (N, keys, heads, channels), the maps one behind the other.
        spatial_shapes: (levels, 2), heights and widths.
        sampling_locations: (N, queries, heads, levels, points, 2), x and y in [0, 1].
        attention_weights: (N, queries, heads, levels, points).

    Returns:
        (N, queries, heads * channels).
    """
    attend = _attention(spatial_shapes)
    tensors = (value, sampling_locations, attention_weights)
    return attend(*map(wide, tensors)).to(value.dtype)


def ms_deform_attn_backward(
    value: Tensor,
    spatial_shapes: Tensor,
    level_start_index: Tensor,
    sampling_locations: Tensor,
    attention_weights: Tensor,
    grad_output: Tensor,
    grad_value: Tensor,
    grad_sampling_loc: Tensor,
    grad_attn_weight: Tensor,
    im2col_step: int,
) -> None:
    """Gradients of values, locations and weights, written into the last three tensors."""
    inputs = (value, sampling_locations, attention_weights)
    found = gradients(_attention(spatial_shapes), inputs, grad_output)
    for buffer, gradient in zip(
        (grad_value, grad_sampling_loc, grad_attn_weight), found, strict=True
    ):
        buffer.copy_(gradient)


def _attention(spatial_shapes: Tensor) -> Callable:
    from mmcv.ops.multi_scale_deform_attn import multi_scale_deformable_attn_pytorch as attend

    shapes = spatial_shapes.tolist()
    return lambda value, locations, weights: attend(value, shapes, locations, weights)
