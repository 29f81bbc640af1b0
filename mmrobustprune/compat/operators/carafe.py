"""Content-aware reassembly of features, an upsampling whose kernels are predicted (ICCV 2019)."""

from __future__ import annotations

import functools

import torch
import torch.nn.functional as F
from torch import Tensor

from .precision import gradients, wide

OPERATORS = (
    'carafe_naive_forward',
    'carafe_naive_backward',
    'carafe_forward',
    'carafe_backward',
)


def carafe_naive_forward(
    features: Tensor,
    masks: Tensor,
    output: Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    """Each output pixel is a weighted sum of the window around the pixel it lies in.

    Args:
        features: (N, C, H, W).
        masks: (N, groups * kernel^2, scale * H, scale * W), the weights.
        output: (N, C, scale * H, scale * W), written.
    """
    output.copy_(_reassemble(wide(features), wide(masks), kernel_size, group_size, scale_factor))


def carafe_naive_backward(
    grad_output: Tensor,
    features: Tensor,
    masks: Tensor,
    grad_features: Tensor,
    grad_masks: Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    """Gradients of features and masks, written."""
    reassemble = functools.partial(
        _reassemble, kernel=kernel_size, groups=group_size, scale=scale_factor
    )
    of_features, of_masks = gradients(reassemble, (features, masks), grad_output)
    grad_features.copy_(of_features)
    grad_masks.copy_(of_masks)


def carafe_forward(
    features: Tensor,
    masks: Tensor,
    rfeatures: Tensor,
    routput: Tensor,
    rmasks: Tensor,
    output: Tensor,
    **numbers: int,
) -> None:
    """The same; `rfeatures` keeps the features for the way back, the other scratch is not used."""
    rfeatures.copy_(features)
    carafe_naive_forward(features, masks, output, **numbers)


def carafe_backward(
    grad_output: Tensor,
    rfeatures: Tensor,
    masks: Tensor,
    rgrad_output: Tensor,
    rgrad_input_hs: Tensor,
    rgrad_input: Tensor,
    rgrad_masks: Tensor,
    grad_features: Tensor,
    grad_masks: Tensor,
    **numbers: int,
) -> None:
    """The same as the naive one's."""
    carafe_naive_backward(grad_output, rfeatures, masks, grad_features, grad_masks, **numbers)


def _reassemble(features: Tensor, masks: Tensor, kernel: int, groups: int, scale: int) -> Tensor:
    n, channels, height, width = features.shape
    windows = F.unfold(features, kernel, padding=kernel // 2)
    windows = windows.view(n, groups, channels // groups, kernel**2, height, width)
    masks = masks.view(n, groups, kernel**2, height, scale, width, scale)
    out = torch.einsum('ngckhw,ngkhiwj->ngchiwj', windows, masks)
    return out.reshape(n, channels, height * scale, width * scale)
