"""The attention of SAM's image encoder."""

from __future__ import annotations

from typing import ClassVar

from mmpretrain.models.backbones.vit_sam import Attention, add_decomposed_rel_pos
from torch import Tensor

from mmrobustprune.dependency.attention import join_heads, register

from .forms import FusedHeads


class NarrowSAMAttention(FusedHeads, Attention):
    """The places see all dimensions of a query, so whole heads go."""

    single: ClassVar[bool] = False

    def forward(self, x: Tensor) -> Tensor:
        """Attend among the places of (B, H, W, C)."""
        size = x.shape[1:3]
        parts = self.split_qkv(self.qkv(x.flatten(1, 2)))
        query, key, value = (part.flatten(0, 1) for part in parts)  # (B * heads, H * W, d)
        logits = query @ key.transpose(-2, -1) * self.scale
        if self.use_rel_pos:
            logits = add_decomposed_rel_pos(
                logits, query, self.rel_pos_h, self.rel_pos_w, size, size
            )
        found = (logits.softmax(-1) @ value).unflatten(0, (len(x), -1))
        return self.proj(join_heads(found).unflatten(1, size))


register(Attention, NarrowSAMAttention)
