"""LeViT's attentions, whose projections are linear layers with a batch normalisation."""

from __future__ import annotations

from typing import ClassVar

from mmpretrain.models.backbones.levit import Attention, AttentionSubsample
from torch import Tensor, nn

from mmrobustprune.dependency.attention import (
    KEY,
    QUERY,
    VALUE,
    HeadLayout,
    Place,
    attend,
    join_heads,
    register,
    rows,
    split_heads,
)

from .forms import InterleavedHeads, own_place, value_width


class NarrowLeViTAttention(InterleavedHeads, Attention):
    """The attention within a stage."""

    maker: ClassVar[str] = 'qkv.linear'
    enters: ClassVar[str] = 'qkv'

    def forward(self, x: Tensor) -> Tensor:
        """Attend among tokens (B, N, C)."""
        return self.proj(self.attended(self.qkv(x)))


class NarrowLeViTSubsample(InterleavedHeads, AttentionSubsample):
    """The attention between stages: every second token of a row and column asks all of them."""

    @classmethod
    def layout(cls, module: AttentionSubsample) -> HeadLayout | None:
        """Rows of `q`, and of `kv` the key's and the value's of a head side by side."""
        heads = module.num_heads
        both = _linear(module.q[1]).out_features // heads
        every = rows(heads, _linear(module.kv).out_features // heads)
        places = [
            Place('q.1.linear', QUERY, rows(heads, both), 'q'),
            Place('kv.linear', KEY, every[:, :both], 'kv'),
            Place('kv.linear', VALUE, every[:, both:], 'kv'),
        ]
        return HeadLayout((*places, *own_place(cls, heads)), 'proj')

    def forward(self, x: Tensor) -> Tensor:
        """Attend from a part of the tokens (B, N, C) to all."""
        query = split_heads(self.q(x), self.num_heads)
        widths = [query.shape[-1], value_width(self)]
        key, value = split_heads(self.kv(x), self.num_heads).split(widths, -1)
        found = attend(query, key, value, self.scale, self.position_bias())
        return self.proj(join_heads(found))


def _linear(layer: nn.Module) -> nn.Linear:
    return layer.linear


register(Attention, NarrowLeViTAttention)
register(AttentionSubsample, NarrowLeViTSubsample)
