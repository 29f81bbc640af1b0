"""DaViT pads tokens as if they were an image, so that a stage of odd width comes out wider."""

from __future__ import annotations

from types import ModuleType

import torch
from torch import Tensor


def pads_tokens(module: ModuleType) -> bool:
    """Whether tokens of three channels cannot be made fewer."""
    layer = module.DaViTDownSample(3, 1, norm_cfg=dict(type='LN'))
    try:
        layer(torch.zeros(1, 4, 3), (2, 2))
    except RuntimeError:
        return True
    return False


def pad_images(module: ModuleType) -> None:
    """Pad height and width; at even ones, the only ones that worked, nothing changes."""

    def forward(self, x: Tensor, input_size: tuple[int, int]) -> tuple[Tensor, tuple[int, int]]:
        image = self.norm(x).transpose(1, 2).unflatten(2, input_size)
        if self.adaptive_padding:
            image = self.adaptive_padding(image)
        image = self.projection(image)
        return image.flatten(2).transpose(1, 2), (image.shape[2], image.shape[3])

    module.DaViTDownSample.forward = forward
