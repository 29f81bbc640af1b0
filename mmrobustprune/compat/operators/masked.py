"""Convolution at chosen pixels only: the columns of those pixels, and the way back."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

OPERATORS = ('masked_im2col_forward', 'masked_col2im_forward')


def masked_im2col_forward(
    features: Tensor,
    rows: Tensor,
    columns: Tensor,
    data: Tensor,
    kernel_h: int,
    kernel_w: int,
    pad_h: int,
    pad_w: int,
) -> None:
    """The windows around n output pixels, written into `data` (C * kh * kw, n).

    Args:
        features: (1, C, H, W).
        rows, columns: (n,), where the output pixels are.
    """
    padded = F.pad(features[0], (pad_w, pad_w, pad_h, pad_h))
    down = rows + torch.arange(kernel_h, device=rows.device)[:, None]  # (kh, n)
    right = columns + torch.arange(kernel_w, device=rows.device)[:, None]  # (kw, n)
    data.copy_(padded[:, down[:, None], right].flatten(0, 2))


def masked_col2im_forward(
    data: Tensor,
    rows: Tensor,
    columns: Tensor,
    image: Tensor,
    height: int,
    width: int,
    channels: int,
) -> None:
    """Puts `data` (channels, n) at n pixels of `image` (1, channels, height, width)."""
    image[0, :, rows, columns] = data.to(image.dtype)
