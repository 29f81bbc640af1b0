"""Attention: where the channels of its heads lie, and what a module becomes without some of them.

A class of attention modules is made known by a subclass of it, its narrowed form, that computes the
same for any number of heads of any width and says which rows of which layer are whose.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from .kinds import KINDS, Kind

UNITS = ('dims', 'heads')
QUERY = 'query'
KEY = 'key'
VALUE = 'value'
HEAD = 'head'  # one number, or a few, for each head


@dataclass(frozen=True)
class Place:
    """Where the channels of one role lie.

    Attributes:
        layer: the layer or bare parameter that has them, by its name below the attention; '' is the
            module itself.
        role: QUERY, KEY, VALUE or HEAD.
        index: (heads, n) int64, the output channels of the layer that belong to each head.
        enters: the submodule whose output the heads are taken from, where it is not the layer.
        start: the first of the layer's channels that it gives.
    """

    layer: str
    role: str
    index: np.ndarray
    enters: str = ''
    start: int = 0

    @property
    def source(self) -> str:
        """The submodule or bare parameter that the heads are taken from."""
        return self.enters or self.layer

    @property
    def channels(self) -> np.ndarray:
        """`index` among the channels that the source gives."""
        return self.index - self.start


@dataclass(frozen=True)
class HeadLayout:
    """Where the channels of all heads of an attention lie.

    Attributes:
        places: of queries, keys, values and what else there is for each head.
        output: the submodule that reads the heads one after the other, as wide as their values.
        single: whether a dimension of all heads can go without the heads.
        together: whether queries, keys and values lose the same dimensions.
    """

    places: tuple[Place, ...]
    output: str
    single: bool = True
    together: bool = False

    @property
    def heads(self) -> int:
        """How many there are."""
        return len(self.places[0].index)


class Narrowed:
    """An attention module of any number of heads of any width; mixed into a subclass of its class.

    Attributes:
        per_head: tensors of the module's own that hold numbers for each head, with the dimension.
    """

    per_head: ClassVar[Mapping[str, int]] = {}
    kept: tuple[int, ...] | None = None  # of the dense network's heads; None is all

    @classmethod
    def layout(cls, module: nn.Module) -> HeadLayout | None:
        """Where its channels lie; None where this module's heads cannot go."""
        raise NotImplementedError

    def keep(self, heads: list[int]) -> None:
        """Take note that of its heads only these are left; weights are narrowed by others."""
        before = range(self.num_heads) if self.kept is None else self.kept
        self.kept = tuple(before[head] for head in heads)
        self.num_heads = len(heads)

    def own_heads(self, given: Tensor, dim: int) -> Tensor:
        """Of what is given for the heads of the dense network, along `dim`, the part of its own."""
        if self.kept is None or given.shape[dim] in (1, self.num_heads):
            return given
        return given.index_select(dim, torch.tensor(self.kept, device=given.device))

    @contextmanager
    def spelled_out(self) -> Iterator[None]:
        """Inside, every projection runs as a linear layer of its own."""
        yield


_FORMS: dict[type[nn.Module], type[Narrowed]] = {}


def register(attention: type[nn.Module], narrowed: type[Narrowed]) -> None:
    """Make the heads of a class prunable; its subclasses, which may compute otherwise, stay whole.

    Args:
        attention: the class.
        narrowed: a subclass of it and of `Narrowed`, without a constructor of its own.
    """
    for one in (attention, narrowed):
        _FORMS[one] = narrowed
        if narrowed.per_head:
            KINDS[one] = Kind('heads', {'out': dict(narrowed.per_head)}, {'out': ('num_heads',)})


def form_of(module: nn.Module) -> type[Narrowed] | None:
    """The narrowed form of a module; None where it is no attention that is known."""
    return _FORMS.get(type(module))


def attentions(model: nn.Module) -> Iterator[tuple[str, nn.Module, type[Narrowed], HeadLayout]]:
    """Name, module, narrowed form and layout of every attention whose heads can go."""
    for name, module in model.named_modules():
        form = form_of(module)
        layout = None if form is None else form.layout(module)
        if layout is not None:
            yield name, module, form, layout


@contextmanager
def spelled_out(model: nn.Module) -> Iterator[None]:
    """Inside, every attention runs in its narrowed form, each projection as a linear layer."""
    found = [(module, type(module), form) for _, module, form, _ in attentions(model)]
    with ExitStack() as stack:
        for module, own, form in found:
            module.__class__ = form
            stack.callback(setattr, module, '__class__', own)
            stack.enter_context(module.spelled_out())
        yield


@dataclass(frozen=True)
class Narrowing:
    """An attention that loses channels, and the heads that it keeps."""

    module: nn.Module
    form: type[Narrowed]
    heads: list[int]

    def apply(self) -> None:
        """Let the module take its narrowed form."""
        self.module.__class__ = self.form
        self.module.keep(self.heads)


def narrowings(model: nn.Module, layers: Mapping[str, Mapping[str, Any]]) -> list[Narrowing]:
    """The attentions of a dense model that a structure's layers change.

    Raises:
        ValueError: one would have heads of different widths.
    """
    found = []
    for name, module, form, layout in attentions(model):
        if any(layer == name or layer.startswith(f'{name}.') for layer in layers):
            found.append(Narrowing(module, form, _heads_left(name, layout, layers)))
    return found


def _heads_left(
    name: str, layout: HeadLayout, layers: Mapping[str, Mapping[str, Any]]
) -> list[int]:
    left = None
    for place in layout.places:
        record = layers.get(f'{name}.{place.layer}'.rstrip('.'), {})
        kept = np.isin(place.index, record['out']) if 'out' in record else place.index >= 0
        widths = kept.sum(1)
        heads = np.flatnonzero(widths).tolist()
        if left not in (None, heads) or len(set(widths[heads])) != 1:
            raise ValueError(
                f"the structure does not fit attention '{name}': '{place.layer}' would keep "
                f'{widths.tolist()} channels of the {place.role} in its heads, which must be as '
                'many in each; give the record of this model.'
            )
        left = heads
    return left


def rows(heads: int, width: int, start: int = 0) -> np.ndarray:
    """Channels (heads, width) that lie head after head from `start` on."""
    return np.arange(start, start + heads * width).reshape(heads, width)


def split_heads(tokens: Tensor, heads: int) -> Tensor:
    """(..., N, heads * d) -> (..., heads, N, d)."""
    return tokens.unflatten(-1, (heads, -1)).transpose(-2, -3)


def join_heads(tokens: Tensor) -> Tensor:
    """(..., heads, N, d) -> (..., N, heads * d)."""
    return tokens.transpose(-2, -3).flatten(-2)


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    scale: float = 1.0,
    bias: Tensor | None = None,
    dropout: float = 0.0,
) -> Tensor:
    """softmax(query key^T scale + bias) value, (..., N, d) each; `scale` as it was trained."""
    bias = None if bias is None else bias.to(query.dtype)
    return functional.scaled_dot_product_attention(
        query, key, value, attn_mask=bias, dropout_p=dropout, scale=scale
    )
