"""XCiT's attentions: between channels, and from the class token to all others."""

from __future__ import annotations

from typing import ClassVar

from mmpretrain.models.backbones.xcit import XCA, ClassAttntion
from torch import Tensor
from torch.nn import functional

from mmrobustprune.dependency.attention import (
    KEY,
    QUERY,
    VALUE,
    HeadLayout,
    Narrowed,
    Place,
    attend,
    join_heads,
    register,
    rows,
    split_heads,
)

from .forms import FusedHeads, dropout_of


class NarrowXCA(FusedHeads, XCA):
    """The attention between channels, whose single dimensions all matter to one another."""

    single: ClassVar[bool] = False
    per_head: ClassVar[dict[str, int]] = {'temperature': 0}

    def forward(self, x: Tensor) -> Tensor:
        """Attend among the channels of tokens (B, N, C)."""
        query, key, value = (part.transpose(-2, -1) for part in self.split_qkv(self.qkv(x)))
        query = functional.normalize(query, dim=-1)
        key = functional.normalize(key, dim=-1)
        logits = query @ key.transpose(-2, -1)
        weights = self.attn_drop((logits * self.temperature).softmax(-1))
        return self.proj_drop(self.proj(join_heads((weights @ value).transpose(-2, -1))))


class NarrowClassAttention(Narrowed, ClassAttntion):
    """The attention of the class token."""

    @classmethod
    def layout(cls, module: ClassAttntion) -> HeadLayout | None:
        """Rows of three layers."""
        heads = module.num_heads
        both = rows(heads, module.q.out_features // heads)
        value = rows(heads, module.v.out_features // heads)
        places = (Place('q', QUERY, both), Place('k', KEY, both), Place('v', VALUE, value))
        return HeadLayout(places, 'proj')

    def forward(self, x: Tensor) -> Tensor:
        """Attend from the first of the tokens (B, N, C) to all."""
        query = split_heads(self.q(x[:, :1]), self.num_heads)
        key = split_heads(self.k(x), self.num_heads)
        value = split_heads(self.v(x), self.num_heads)
        found = attend(query, key, value, self.scale, dropout=dropout_of(self))
        return self.proj_drop(self.proj(join_heads(found)))


register(XCA, NarrowXCA)
register(ClassAttntion, NarrowClassAttention)
