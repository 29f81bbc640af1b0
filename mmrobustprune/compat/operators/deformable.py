"""Deformable convolution, plain (Dai et al., ICCV 2017) and modulated (Zhu et al., CVPR 2019).

Output pixel p is the sum over kernel points k of
weight_k * mask_k(p) * input(p + p_k + offset_k(p)), interpolated; the plain one has no mask.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torchvision.ops  # noqa: F401  registers torch.ops.torchvision
from torch import Tensor

from .precision import wide

OPERATORS = (
    'deform_conv_forward',
    'deform_conv_backward_input',
    'deform_conv_backward_parameters',
    'modulated_deform_conv_forward',
    'modulated_deform_conv_backward',
)
_PLAIN = ('dH', 'dW', 'padH', 'padW', 'dilationH', 'dilationW', 'group', 'deformable_group')
_MODULATED = (
    'stride_h',
    'stride_w',
    'pad_h',
    'pad_w',
    'dilation_h',
    'dilation_w',
    'group',
    'deformable_group',
)


def deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    output: Tensor,
    columns: Tensor,
    ones: Tensor,
    **geometry: int,
) -> None:
    """The plain convolution.

    Args:
        input: (N, C, H, W).
        weight: (out, C / groups, kh, kw).
        offset: (N, 2 * deformable groups * kh * kw, h, w), y before x, in pixels.
        output: (N, out, h, w), written.
        geometry: strides, padding, dilation, group, deformable_group.
    """
    tensors = _plain(input, weight, offset)
    output.copy_(torch.ops.torchvision.deform_conv2d(*tensors, *_numbers(geometry, _PLAIN), False))


def deform_conv_backward_input(
    input: Tensor,
    offset: Tensor,
    grad_output: Tensor,
    grad_input: Tensor,
    grad_offset: Tensor,
    weight: Tensor,
    columns: Tensor,
    **geometry: int,
) -> None:
    """Gradients of input and offset, written.

    torchvision computes that of the weight with them; it is left in `columns`, mmcv's own scratch
    memory, for `deform_conv_backward_parameters`, which mmcv calls next.
    """
    tensors = _plain(input, weight, offset)
    numbers = _numbers(geometry, _PLAIN)
    backward = torch.ops.torchvision._deform_conv2d_backward
    of_input, of_weight, of_offset, _, _ = backward(wide(grad_output), *tensors, *numbers, False)
    grad_input.copy_(of_input)
    grad_offset.copy_(of_offset)
    columns.resize_(weight.shape).copy_(of_weight)


def deform_conv_backward_parameters(
    input: Tensor,
    offset: Tensor,
    grad_output: Tensor,
    grad_weight: Tensor,
    columns: Tensor,
    ones: Tensor,
    scale: float = 1,
    **geometry: int,
) -> None:
    """The gradient of the weight, times `scale`, added to `grad_weight`."""
    if columns.shape != grad_weight.shape:  # neither input nor offset is trained
        tensors = _plain(input, grad_weight, offset)
        numbers = _numbers(geometry, _PLAIN)
        backward = torch.ops.torchvision._deform_conv2d_backward
        columns = backward(wide(grad_output), *tensors, *numbers, False)[1]
    grad_weight.add_(columns, alpha=scale)


def modulated_deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    output: Tensor,
    columns: Tensor,
    with_bias: bool,
    **geometry: int,
) -> None:
    """The modulated convolution; arguments as of the plain one.

    Of offsets and masks of a larger image (DyHead gives those) it takes the first numbers, as mmcv
    does, which reads them one after the other.

    Args:
        mask: (N, deformable groups * kh * kw, h, w).
        bias: (out,), or of no elements.
    """
    offset, mask = (_first(numbers, output.shape) for numbers in (offset, mask))
    tensors = _modulated(input, weight, offset, mask, bias)
    numbers = _numbers(geometry, _MODULATED)
    output.copy_(torch.ops.torchvision.deform_conv2d(*tensors, *numbers, True))


def modulated_deform_conv_backward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    columns: Tensor,
    grad_input: Tensor,
    grad_weight: Tensor,
    grad_bias: Tensor,
    grad_offset: Tensor,
    grad_mask: Tensor,
    grad_output: Tensor,
    with_bias: bool,
    **geometry: int,
) -> None:
    """All gradients of the modulated convolution, written."""
    offset, mask = (_first(numbers, grad_output.shape) for numbers in (offset, mask))
    tensors = _modulated(input, weight, offset, mask, bias)
    numbers = _numbers(geometry, _MODULATED)
    backward = torch.ops.torchvision._deform_conv2d_backward
    *found, of_bias = backward(wide(grad_output), *tensors, *numbers, True)
    for whole in (grad_offset, grad_mask):
        whole.zero_()
    shifts, weights = (_first(whole, grad_output.shape) for whole in (grad_offset, grad_mask))
    buffers = [grad_input, grad_weight, shifts, weights]
    for buffer, gradient in zip(buffers, found, strict=True):
        buffer.copy_(gradient)
    if with_bias:
        grad_bias.copy_(of_bias)


def _first(numbers: Tensor, output: Sequence[int]) -> Tensor:
    """Of numbers (N, C, H, W) the first C h w of each image, a view (N, C, h, w)."""
    if numbers.shape[2:] == output[2:] or numbers[0, 0].numel() < output[2] * output[3]:
        return numbers  # too few: the operator says so
    flat = numbers.flatten(1)[:, : numbers.shape[1] * output[2] * output[3]]
    return flat.unflatten(1, (numbers.shape[1], *output[2:]))


def _plain(input: Tensor, weight: Tensor, offset: Tensor) -> list[Tensor]:
    """The operator's tensors where there is neither mask nor bias."""
    mask = offset.new_zeros(len(offset), 1)
    return _modulated(input, weight, offset, mask, offset.new_empty(0))


def _modulated(
    input: Tensor, weight: Tensor, offset: Tensor, mask: Tensor, bias: Tensor
) -> list[Tensor]:
    """The operator's tensors, in its order."""
    if bias.numel() == 0:
        bias = weight.new_zeros(len(weight))
    return [wide(tensor) for tensor in (input, weight, offset, mask, bias)]


def _numbers(geometry: Mapping[str, int], names: tuple[str, ...]) -> list[int]:
    return [geometry[name] for name in names]
