"""The attentions of `mmpretrain.models.utils`: ViT and DeiT, Swin, BEiT, TinyViT, EdgeNeXt."""

from __future__ import annotations

from typing import ClassVar

import torch
from mmpretrain.models.utils.attention import (
    BEiTAttention,
    ChannelMultiheadAttention,
    LeAttention,
    MultiheadAttention,
    WindowMSA,
    WindowMSAV2,
)
from torch import Tensor, nn
from torch.nn import functional

from mmrobustprune.dependency.attention import (
    HEAD,
    QUERY,
    VALUE,
    HeadLayout,
    Place,
    attend,
    join_heads,
    register,
    rows,
)

from .forms import (
    FusedHeads,
    InterleavedHeads,
    WindowHeads,
    dropout_of,
    shifted,
    table_bias,
    trained_scale,
)

LARGEST_SCALE = 100.0  # of a cosine in Swin Transformer V2


class NarrowViTAttention(FusedHeads, MultiheadAttention):
    """ViT's attention, scaled by the width that its heads were trained with."""

    @classmethod
    def layout(cls, module: MultiheadAttention) -> HeadLayout | None:
        """Rows of `qkv`; None where a shortcut reads the values."""
        return None if module.v_shortcut else super().layout(module)

    def forward(self, x: Tensor) -> Tensor:
        """Attend among tokens (B, N, C)."""
        query, key, value = self.split_qkv(self.qkv(x))
        dropout = self.attn_drop if self.training else 0.0
        found = attend(query, key, value, trained_scale(self), dropout=dropout)
        return self.out_drop(self.gamma1(self.proj_drop(self.proj(join_heads(found)))))


class NarrowWindowMSA(WindowHeads, WindowMSA):
    """Swin Transformer's attention in windows."""

    per_head: ClassVar[dict[str, int]] = {'relative_position_bias_table': 1}


class NarrowWindowMSAV2(WindowHeads, WindowMSAV2):
    """Swin Transformer V2's: cosines, a scale for each head, offsets through a small network."""

    per_head: ClassVar[dict[str, int]] = {'logit_scale': 0}

    @classmethod
    def layout(cls, module: WindowMSAV2) -> HeadLayout | None:
        """Rows of `qkv`, its biases, and of the last layer that makes the position bias."""
        layout = super().layout(module)
        more = [Place('cpb_mlp.2', HEAD, rows(layout.heads, 1))]
        return HeadLayout((*layout.places, *more, *biases(module, layout)), layout.output)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Attend within windows; arguments as in `WindowHeads.forward`."""
        query, key, value = self.split_qkv(add_biases(self, self.qkv(x)))
        scale = self.logit_scale.exp().clamp(max=LARGEST_SCALE)
        query = functional.normalize(query, dim=-1) * scale
        key = functional.normalize(key, dim=-1)
        bias = shifted(self.position_bias(), mask, len(x))
        found = attend(query, key, value, bias=bias, dropout=dropout_of(self))
        return self.proj_drop(self.proj(join_heads(found)))

    def position_bias(self) -> Tensor:
        """What the places of two tokens add to their logit, (heads, N, N)."""
        table = self.cpb_mlp(self.relative_coords_table).flatten(0, -2)
        return 16 * table_bias(table, self.relative_position_index).sigmoid()


class NarrowBEiTAttention(FusedHeads, BEiTAttention):
    """BEiT's attention, with a position bias of its own or one that all layers share."""

    per_head: ClassVar[dict[str, int]] = {'relative_position_bias_table': 1}

    @classmethod
    def layout(cls, module: BEiTAttention) -> HeadLayout | None:
        """Rows of `qkv` and of its biases."""
        layout = super().layout(module)
        more = biases(module, layout) if module.bias == 'qv_bias' else []
        return HeadLayout((*layout.places, *more), layout.output)

    def forward(self, x: Tensor, rel_pos_bias: Tensor | None = None) -> Tensor:
        """Attend among tokens.

        Args:
            x: (B, N, C).
            rel_pos_bias: (heads, N, N), of all heads of the dense network.
        """
        made = self.qkv(x)
        if self.bias == 'qv_bias':
            made = add_biases(self, made)
        query, key, value = self.split_qkv(made)
        bias = None if rel_pos_bias is None else self.own_heads(rel_pos_bias, 0)
        if self.relative_position_bias_table is not None:
            own = table_bias(self.relative_position_bias_table, self.relative_position_index)
            bias = own if bias is None else own + bias
        found = attend(query, key, value, self.scale, bias, dropout_of(self))
        return self.proj_drop(self.proj(join_heads(found)))


class NarrowLeAttention(InterleavedHeads, LeAttention):
    """TinyViT's attention."""

    def forward(self, x: Tensor) -> Tensor:
        """Attend among tokens (B, N, C)."""
        return self.proj(self.attended(self.qkv(self.norm(x))))


class NarrowChannelAttention(FusedHeads, ChannelMultiheadAttention):
    """EdgeNeXt's attention between channels, whose single dimensions all matter to one another."""

    single: ClassVar[bool] = False
    per_head: ClassVar[dict[str, int]] = {'scale': 0}

    @classmethod
    def layout(cls, module: ChannelMultiheadAttention) -> HeadLayout | None:
        """Rows of `qkv`; None where a shortcut reads the values, or without a learned scale."""
        learned = isinstance(module.scale, nn.Parameter) and not module.v_shortcut
        return super().layout(module) if learned else None

    def forward(self, x: Tensor) -> Tensor:
        """Attend among the channels of tokens (B, N, C)."""
        query, key, value = (part.transpose(-2, -1) for part in self.split_qkv(self.qkv(x)))
        query = functional.normalize(query, dim=-1)
        key = functional.normalize(key, dim=-1)
        logits = query @ key.transpose(-2, -1)
        weights = self.attn_drop((logits * self.scale).softmax(-1))
        rows = (weights @ value).transpose(-2, -1)
        return self.out_drop(self.proj_drop(self.proj(join_heads(rows))))


def biases(module: nn.Module, layout: HeadLayout) -> list[Place]:
    """Places of the biases of queries and values that stand beside `qkv`, where there are some."""
    if module.q_bias is None:
        return []
    value = next(place.index for place in layout.places if place.role == VALUE)
    return [
        Place('q_bias', QUERY, layout.places[0].index),
        Place('v_bias', VALUE, value - value.min()),
    ]


def add_biases(module: nn.Module, made: Tensor) -> Tensor:
    """What `qkv` made, with the biases of queries and values."""
    if module.q_bias is None:
        return made
    return made + torch.cat((module.q_bias, torch.zeros_like(module.q_bias), module.v_bias))


register(MultiheadAttention, NarrowViTAttention)
register(WindowMSA, NarrowWindowMSA)
register(WindowMSAV2, NarrowWindowMSAV2)
register(BEiTAttention, NarrowBEiTAttention)
register(LeAttention, NarrowLeAttention)
register(ChannelMultiheadAttention, NarrowChannelAttention)
