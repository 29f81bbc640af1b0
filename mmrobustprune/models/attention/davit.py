"""DaViT's attentions: in windows, and between channels."""

from __future__ import annotations

from typing import ClassVar

from mmpretrain.models.backbones.davit import ChannelAttention, DaViTWindowMSA
from torch import Tensor

from mmrobustprune.dependency.attention import join_heads, register

from .forms import FusedHeads, WindowHeads


class NarrowDaViTWindowMSA(WindowHeads, DaViTWindowMSA):
    """The attention in windows, which knows no places."""

    def position_bias(self) -> None:
        """There is none."""


class NarrowDaViTChannelAttention(FusedHeads, ChannelAttention):
    """The attention between channels, whose single dimensions all matter to one another."""

    single: ClassVar[bool] = False

    def forward(self, x: Tensor) -> Tensor:
        """Attend among the channels of tokens (B, N, C)."""
        query, key, value = self.split_qkv(self.qkv(x))
        weights = (key.transpose(-2, -1) @ value * self.scale).softmax(-1)
        return self.proj(join_heads(query @ weights.transpose(-2, -1)))


register(DaViTWindowMSA, NarrowDaViTWindowMSA)
register(ChannelAttention, NarrowDaViTChannelAttention)
