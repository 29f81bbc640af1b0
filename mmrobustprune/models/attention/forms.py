"""Layouts and parts of a forward pass that several attentions share."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from torch import Tensor, nn

from mmrobustprune.dependency.attention import (
    HEAD,
    KEY,
    QUERY,
    VALUE,
    HeadLayout,
    Narrowed,
    Place,
    attend,
    join_heads,
    rows,
    split_heads,
)


class FusedHeads(Narrowed):
    """Heads that one layer `qkv` makes, first all queries, then all keys, then all values.

    Attributes:
        single: whether a dimension of all heads can go without the heads.
    """

    single: ClassVar[bool] = True

    @classmethod
    def layout(cls, module: nn.Module) -> HeadLayout | None:
        """Three blocks of rows of `qkv`, and one number for each head of the module's own."""
        heads = module.num_heads
        value = module.proj.in_features
        both = (module.qkv.out_features - value) // 2
        places = [
            Place('qkv', QUERY, rows(heads, both // heads)),
            Place('qkv', KEY, rows(heads, both // heads, both)),
            Place('qkv', VALUE, rows(heads, value // heads, 2 * both)),
        ]
        return HeadLayout((*places, *own_place(cls, heads)), 'proj', cls.single)

    def split_qkv(self, made: Tensor) -> list[Tensor]:
        """What `qkv` made of tokens, as queries, keys and values (..., heads, N, d)."""
        value = self.proj.in_features
        both = (made.shape[-1] - value) // 2
        return [split_heads(part, self.num_heads) for part in made.split([both, both, value], -1)]


class WindowHeads(FusedHeads):
    """Self-attention in windows of equal size, between which a mask may forbid some pairs."""

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Attend within windows.

        Args:
            x: (B * windows, N, C).
            mask: (windows, N, N), added to the logits.
        """
        query, key, value = self.split_qkv(self.qkv(x))
        bias = shifted(self.position_bias(), mask, len(x))
        found = attend(query, key, value, self.scale, bias, dropout_of(self))
        return self.proj_drop(self.proj(join_heads(found)))

    def position_bias(self) -> Tensor | None:
        """What the places of two tokens add to their logit, (heads, N, N)."""
        return table_bias(self.relative_position_bias_table, self.relative_position_index)


class InterleavedHeads(Narrowed):
    """Heads that one layer makes one after the other: its query, its key, its value.

    Attributes:
        maker: the layer that makes them.
        enters: the submodule whose output they are.
    """

    maker: ClassVar[str] = 'qkv'
    enters: ClassVar[str] = ''
    per_head: ClassVar[dict[str, int]] = {'attention_biases': 0}

    @classmethod
    def layout(cls, module: nn.Module) -> HeadLayout | None:
        """Rows of one layer, the query's, the key's and the value's of a head side by side."""
        heads = module.num_heads
        wide = module.get_submodule(cls.maker).out_features // heads
        value = value_width(module)
        both = (wide - value) // 2
        every = rows(heads, wide)
        parts = zip((QUERY, KEY, VALUE), np.split(every, [both, 2 * both], axis=1), strict=True)
        places = [Place(cls.maker, role, index, cls.enters) for role, index in parts]
        return HeadLayout((*places, *own_place(cls, heads)), 'proj')

    def attended(self, made: Tensor) -> Tensor:
        """What the heads (B, N, heads * (2 k + v)) find, (B, N, heads * v)."""
        heads = split_heads(made, self.num_heads)
        value = value_width(self)
        both = (heads.shape[-1] - value) // 2
        query, key, value = heads.split([both, both, value], -1)
        return join_heads(attend(query, key, value, self.scale, self.position_bias()))

    def position_bias(self) -> Tensor:
        """What the places of two tokens add to their logit, (heads, N, N)."""
        return self.attention_biases[:, self.attention_bias_idxs]


def value_width(module: nn.Module) -> int:
    """Numbers in the value of a head: what `proj` reads, whose normalisation may be fused."""
    reads = [layer for layer in module.proj.modules() if isinstance(layer, nn.Linear)]
    return reads[0].in_features // module.num_heads


def own_place(form: type[Narrowed], heads: int) -> list[Place]:
    """The place of the numbers that a module holds for each head, where it has some."""
    return [Place('', HEAD, rows(heads, 1))] if form.per_head else []


def dropout_of(module: nn.Module) -> float:
    """How likely a weight of the attention is dropped."""
    return module.attn_drop.p if module.training else 0.0


def trained_scale(module: nn.Module) -> float:
    """What mmpretrain's MultiheadAttention multiplies logits by; with `qk_scale` it divides."""
    divisor = getattr(module.scaled_dot_product_attention, 'keywords', {}).get('scale')
    return module.head_dims**-0.5 if divisor is None else 1 / divisor


def table_bias(table: Tensor, index: Tensor) -> Tensor:
    """Rows of a table (offsets, heads) by the offset (N, N) of two tokens, as (heads, N, N)."""
    return table[index.flatten()].unflatten(0, index.shape).permute(2, 0, 1)


def shifted(bias: Tensor | None, mask: Tensor | None, batch: int) -> Tensor | None:
    """The sum of a bias (heads, N, N) and the mask (windows, N, N) of the windows in a batch."""
    if mask is None:
        return bias
    mask = mask.unsqueeze(1).repeat(batch // len(mask), 1, 1, 1)
    return mask if bias is None else mask + bias
