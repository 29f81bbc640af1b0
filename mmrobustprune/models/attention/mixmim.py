"""MixMIM's attention in windows, in which tokens of two images attend to their own kind."""

from __future__ import annotations

from typing import ClassVar

import torch
from mmpretrain.models.backbones.mixmim import MixMIMWindowAttention
from torch import Tensor

from mmrobustprune.dependency.attention import attend, join_heads, register

from .forms import WindowHeads, dropout_of


class NarrowMixMIMAttention(WindowHeads, MixMIMWindowAttention):
    """Swin Transformer's attention but for what the mask says."""

    per_head: ClassVar[dict[str, int]] = {'relative_position_bias_table': 1}

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Attend within windows.

        Args:
            x: (B * windows, N, C).
            mask: B * windows * N numbers, 1 for tokens of one image and 0 for those of the other.
        """
        query, key, value = self.split_qkv(self.qkv(x))
        bias = self.position_bias()
        if mask is not None:
            one = mask.reshape(len(x), 1, -1, 1)
            alike = one * one.mT + (1 - one) * (1 - one).mT
            bias = bias - (65500 if alike.dtype == torch.float16 else 1e30) * (1 - alike)
        found = attend(query, key, value, self.scale, bias, dropout_of(self))
        return self.proj_drop(self.proj(join_heads(found)))


register(MixMIMWindowAttention, NarrowMixMIMAttention)
