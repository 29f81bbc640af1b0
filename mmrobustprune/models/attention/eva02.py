"""EVA-02's attention, which turns queries and keys by their place."""

from __future__ import annotations

from typing import ClassVar

import torch
from mmpretrain.models.backbones.vit_eva02 import AttentionWithRoPE
from torch import Tensor

from mmrobustprune.dependency.attention import attend, join_heads, register

from .forms import FusedHeads, dropout_of


class NarrowAttentionWithRoPE(FusedHeads, AttentionWithRoPE):
    """The rotation goes through pairs of dimensions, so whole heads go."""

    single: ClassVar[bool] = False

    def forward(self, x: Tensor, patch_resolution: tuple[int, int]) -> Tensor:
        """Attend among the tokens (B, N, C) of an image of that many patches."""
        query, key, value = self.split_qkv(self.qkv(x))
        if self.rope:
            query = self._turned(query, patch_resolution).type_as(value)
            key = self._turned(key, patch_resolution).type_as(value)
        found = attend(query, key, value, self.scale, dropout=dropout_of(self))
        return self.proj_drop(self.proj(join_heads(found)))

    def _turned(self, tokens: Tensor, patch_resolution: tuple[int, int]) -> Tensor:
        """All but the class token turned by its place."""
        first = int(self.with_cls_token)
        turned = self.rope(tokens[:, :, first:], patch_resolution)
        return torch.cat((tokens[:, :, :first], turned), -2)


register(AttentionWithRoPE, NarrowAttentionWithRoPE)
