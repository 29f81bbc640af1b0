"""`nn.MultiheadAttention`, whose queries, keys and values share one packed projection."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from .attention import (
    KEY,
    QUERY,
    VALUE,
    HeadLayout,
    Narrowed,
    Place,
    attend,
    attentions,
    join_heads,
    register,
    rows,
    split_heads,
)
from .groups import Group, Slice, Trace
from .kinds import KINDS, PACKED
from .parts import LayerPart

ROLES = (QUERY, KEY, VALUE)
KINDS[nn.MultiheadAttention] = PACKED


class PackedRows(nn.Linear):
    """The rows of a packed projection that make the queries, the keys or the values.

    It stands in the network while that is traced or counted; the parameters are the attention's.

    Args:
        whole: the attention.
        part: 0, 1 or 2.
    """

    def __init__(self, whole: nn.MultiheadAttention, part: int):
        nn.Module.__init__(self)
        self.of = (whole, part)  # in a tuple, so that it is no submodule of its own
        self.out_features = whole.in_proj_weight.shape[0] // len(ROLES)
        self.in_features = whole.in_proj_weight.shape[1]

    @property
    def weight(self) -> Tensor:
        """Its share of the packed weight."""
        whole, part = self.of
        return whole.in_proj_weight.chunk(len(ROLES))[part]

    @property
    def bias(self) -> Tensor | None:
        """Its share of the packed bias."""
        whole, part = self.of
        return None if whole.in_proj_bias is None else whole.in_proj_bias.chunk(len(ROLES))[part]


class NarrowMultiheadAttention(Narrowed, nn.MultiheadAttention):
    """`nn.MultiheadAttention` of heads of any number and width, with the same state_dict keys.

    Queries, keys and values lose the same dimensions, so that the packed weight stays of three
    equal parts.
    """

    @classmethod
    def layout(cls, module: nn.MultiheadAttention) -> HeadLayout | None:
        """Rows of the packed projection; None with several weights or with added tokens."""
        packed = module.in_proj_weight
        if packed is None or module.bias_k is not None or module.add_zero_attn:
            return None
        wide = packed.shape[0] // len(ROLES)
        heads = module.num_heads
        places = []
        for part, role in enumerate(ROLES):
            own = rows(heads, wide // heads, part * wide)
            places.append(Place('', role, own, f'{role}_rows', part * wide))
        return HeadLayout(tuple(places), 'out_proj', together=True)

    def keep(self, heads: list[int]) -> None:
        """Take note of the heads that are left."""
        super().keep(heads)
        self._qkv_same_embed_dim = False  # no fused kernel of the dense form

    @contextmanager
    def spelled_out(self) -> Iterator[None]:
        """Inside, the packed projection is three linear layers."""
        for part, role in enumerate(ROLES):
            self.add_module(f'{role}_rows', PackedRows(self, part))
        try:
            yield
        finally:
            for role in ROLES:
                del self._modules[f'{role}_rows']

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """As in `nn.MultiheadAttention`; `is_causal` is a hint that the mask makes superfluous.

        A mask (batch * heads, L, S) may be that of the dense network's heads.
        """
        batched = query.dim() == 3
        tokens = [self._rows(part, one) for part, one in enumerate((query, key, value))]
        if not batched:
            tokens = [one.unsqueeze(0) for one in tokens]
        elif not self.batch_first:
            tokens = [one.transpose(0, 1) for one in tokens]
        query, key, value = (split_heads(one, self.num_heads) for one in tokens)
        bias = self._bias(attn_mask, key_padding_mask, query)
        scale = self.head_dim**-0.5
        dropout = self.dropout if self.training else 0.0
        weights = None
        if need_weights:
            logits = query @ key.transpose(-2, -1) * scale
            weights = (logits if bias is None else logits + bias).softmax(-1)
            found = functional.dropout(weights, dropout) @ value
            weights = weights.mean(1) if average_attn_weights else weights
        else:
            found = attend(query, key, value, scale, bias, dropout)
        found = join_heads(found)
        if not batched:
            found = found.squeeze(0)
            weights = None if weights is None else weights.squeeze(0)
        elif not self.batch_first:
            found = found.transpose(0, 1)
        return self.out_proj(found), weights

    def _rows(self, part: int, tokens: Tensor) -> Tensor:
        layer = self._modules.get(f'{ROLES[part]}_rows')
        if layer is not None:
            return layer(tokens)
        layer = PackedRows(self, part)
        return functional.linear(tokens, layer.weight, layer.bias)

    def _bias(self, mask: Tensor | None, padding: Tensor | None, query: Tensor) -> Tensor | None:
        """What is added to the logits (batch, heads, L, S), of the masks that there are."""
        parts = []
        if mask is not None:
            mask = _added(mask, query)
            if mask.dim() == 3:
                mask = self.own_heads(mask.unflatten(0, (query.shape[0], -1)), 1)
            parts.append(mask)
        if padding is not None:
            parts.append(_added(padding.view(query.shape[0], 1, 1, -1), query))
        return sum(parts) if parts else None


def counted_with(module: nn.Module) -> nn.Module:
    """The layer whose cost a module's is a part of: itself, or the owner of packed rows."""
    if isinstance(module, LayerPart):
        return module.whole[0]
    return module.of[0] if isinstance(module, PackedRows) else module


def packed(model: nn.Module, found: Trace) -> Trace:
    """What was traced of the rows of packed projections, as of the attentions that own them."""
    own = {}  # name of a layer of rows -> (name of the attention, its first row)
    for name, _, form, layout in attentions(model):
        if form is NarrowMultiheadAttention:
            own |= {f'{name}.{place.enters}': (name, place.start) for place in layout.places}
    groups = tuple(_packed_group(group, own) for group in found.groups)
    unprunable: dict[str, str] = {}
    for layer, why in found.unprunable.items():
        unprunable.setdefault(own.get(layer, (layer, 0))[0], why)
    shapes = {layer: used for layer, used in found.shapes.items() if layer not in own}
    for layer in own.keys() & found.shapes.keys():
        attention = own[layer][0]
        shapes[attention] = shapes.get(attention, 0) + found.shapes[layer] / len(ROLES)
    return Trace(groups, unprunable, shapes)


def _packed_group(group: Group, own: dict[str, tuple[str, int]]) -> Group:
    sides: dict[tuple[str, str], list[Tensor]] = {}
    for part in group.slices:
        layer, start = own.get(part.layer, (part.layer, 0))
        index = part.index + start * (part.side == 'out')
        parts = sides.setdefault((layer, part.side), [])
        if part.side == 'out' or not parts:  # the columns are the same for all rows
            parts.append(index)
    slices = tuple(Slice(*side, torch.cat(parts, 1)) for side, parts in sides.items())
    name, mark, number = group.name.partition('#')
    return replace(group, name=own.get(name, (name, 0))[0] + mark + number, slices=slices)


def _added(mask: Tensor, like: Tensor) -> Tensor:
    """A mask that is True where nothing is read, as what is added to the logits."""
    if mask.dtype.is_floating_point:
        return mask
    return like.new_zeros(mask.shape).masked_fill(mask, float('-inf'))


register(nn.MultiheadAttention, NarrowMultiheadAttention)
KINDS[NarrowMultiheadAttention] = PACKED
