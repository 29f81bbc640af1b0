"""EfficientFormer's attention."""

from __future__ import annotations

from mmpretrain.models.backbones.efficientformer import AttentionWithBias
from torch import Tensor

from mmrobustprune.dependency.attention import register

from .forms import InterleavedHeads


class NarrowAttentionWithBias(InterleavedHeads, AttentionWithBias):
    """An attention with a bias for each distance of two tokens."""

    def forward(self, x: Tensor) -> Tensor:
        """Attend among tokens (B, N, C)."""
        return self.proj(self.attended(self.qkv(x)))


register(AttentionWithBias, NarrowAttentionWithBias)
