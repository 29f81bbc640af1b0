"""How channels enter a layer, and what the layer demands of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import nn

from mmrobustprune.dependency.kinds import (
    FAMILIES,
    GROUPED,
    GROUPS,
    Kind,
    is_convolution,
    is_deformable,
    kind_of,
)

from .layout import Layout, Passage, Unknown, guessed


def layout_of(layer: nn.Module, shape: Sequence[int] | None, width: int) -> Layout | None:
    """Where the channels lie that a layer makes; None where the shape is not known."""
    axis = None if shape is None else _axis(layer, shape)
    return guessed(shape, width) if axis is None else Layout.along(shape, axis)


def enter_layer(layer: nn.Module, name: str, layout: Layout | None, arriving: int) -> Passage:
    """Which channels of a layer's first side the arriving ones become.

    Raises:
        Unknown: the layer does not read them as channels, or another number of them.
    """
    own = np.arange(arriving)
    index = own
    if layout is not None:
        axis = _axis(layer, layout.shape)
        axis = layout.axes[0] if axis is None else axis
        if axis not in layout.axes:
            raise Unknown(f"'{name}' reads along another axis than that of its channels")
        index = layout.index(axis)
    width = int(index.max()) + 1
    kind = kind_of(layer)
    reads = layer.in_channels if is_convolution(layer) else kind.width(layer, _first_side(kind))
    if reads != width:
        raise Unknown(f"'{name}' reads {reads} channels where {width} arrive")
    if kind is not GROUPS:
        stays = 'in' not in kind.dims and width == arriving  # else what leaves is on one axis
        return Passage(own, index, width, layout if stays else None)
    makes = layer.out_channels // layer.groups  # of each group, which goes with what it reads
    first = index // (layer.in_channels // layer.groups) * makes
    target = (first[:, None] + np.arange(makes)).flatten()
    return Passage(own.repeat(makes), target, layer.out_channels)


def even_parts(layer: nn.Module) -> dict[str, tuple[np.ndarray, str]]:
    """Side -> (part (width,) of each channel, what they are parts of); all must shrink alike."""
    kind = kind_of(layer)
    if kind is not None and kind.blocks > 1:
        width = kind.width(layer, 'out')
        return {'out': (_parts(width, kind.blocks), f'{kind.blocks} groups of channels')}
    groups = layer.groups if kind is GROUPED else 1
    shifts = getattr(layer, 'deform_groups', 1) if is_deformable(layer) else 1
    rules = {}
    if groups > 1:
        rules['out'] = _parts(layer.out_channels, groups), f'{groups} groups of filters'
    if groups * shifts > 1 and 'in' in kind.dims:
        what = 'filters' if shifts == 1 else 'filters and offsets'
        count = math.lcm(groups, shifts)
        rules['in'] = _parts(layer.in_channels, count), f'{count} groups of {what}'
    return rules


def uses_weight(fn: Any, conv: nn.Module) -> bool:
    """Whether an autograd node takes the weight of a convolution as it is."""
    if len(fn.next_functions) < 2:
        return False
    return getattr(fn.next_functions[1][0], 'variable', None) is conv.weight


def why_closed(layer: nn.Module | nn.Parameter, name: str) -> str:
    """Why the channels of a layer or bare parameter without a kind stay."""
    if isinstance(layer, nn.Parameter):
        return f"the channels of parameter '{name}' {tuple(layer.shape)} are not known"
    if isinstance(layer, tuple(FAMILIES)) and is_convolution(layer):
        return f"the weight of '{name}' ({type(layer).__name__}) is computed from other tensors"
    if isinstance(layer, nn.modules.conv._ConvNd):
        return f"'{name}' is a transposed convolution of {layer.groups} groups"
    if isinstance(layer, (nn.LayerNorm, nn.RMSNorm)):
        shape = tuple(layer.normalized_shape)
        return f"{type(layer).__name__} '{name}' normalises over {shape}, channels and positions"
    return f"'{name}' ({type(layer).__name__}) is not a layer whose channels can be removed"


def _parts(width: int, count: int) -> np.ndarray:
    return np.arange(width) // (width // count)


def _axis(layer: nn.Module, shape: Sequence[int]) -> int | None:
    """The axis of a tensor that a layer reads or makes; None for those of any axis."""
    if isinstance(layer, (nn.Linear, nn.Embedding)):
        return len(shape) - 1
    if is_convolution(layer):
        return len(shape) - layer.weight.dim() + 1
    return None


def _first_side(kind: Kind) -> str:
    return 'in' if 'in' in kind.dims else 'out'
