"""MViT's attention, which pools queries, keys and values."""

from __future__ import annotations

from typing import ClassVar

from mmpretrain.models.backbones.mvit import (
    MultiScaleAttention,
    add_decomposed_rel_pos,
    attention_pool,
)
from torch import Tensor

from mmrobustprune.dependency.attention import join_heads, register

from .forms import FusedHeads


class NarrowMultiScaleAttention(FusedHeads, MultiScaleAttention):
    """The pools and the places see all dimensions of a head, so whole heads go."""

    single: ClassVar[bool] = False

    def forward(self, x: Tensor, in_size: tuple[int, int]) -> tuple[Tensor, tuple[int, int]]:
        """Attend among pooled tokens (B, N, C) of an image of that size."""
        query, key, value = self.split_qkv(self.qkv(x))
        query, size = attention_pool(query, self.pool_q, in_size, norm=self.norm_q)
        key, key_size = attention_pool(key, self.pool_k, in_size, norm=self.norm_k)
        value, _ = attention_pool(value, self.pool_v, in_size, norm=self.norm_v)
        logits = query @ key.transpose(-2, -1) * self.scale
        if self.rel_pos_spatial:
            logits = add_decomposed_rel_pos(
                logits, query, size, key_size, self.rel_pos_h, self.rel_pos_w
            )
        found = logits.softmax(-1) @ value
        if self.residual_pooling:
            found = found + query
        return self.proj(join_heads(found)), size


register(MultiScaleAttention, NarrowMultiScaleAttention)
