"""Channels that are written into a tensor in place, as autograd keeps it: `CopySlices`."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from mmrobustprune.dependency.recording import Call

from .layout import Layout, Passage, Unknown, guessed, regrouped, unchanged


def is_write(node: Any) -> bool:
    """Whether an autograd node writes into a view of a tensor, or takes that view of it again."""
    return _writes(node) or _reads_again(node)


def _writes(node: Any) -> bool:
    return node is not None and node.name().endswith('CopySlices')


def _reads_again(node: Any) -> bool:
    return node.name().startswith('AsStrided') and _writes(node.next_functions[0][0])


def enter_write(
    node: Any, call: Call | None, position: int, width: int, layout: Layout | None
) -> Passage:
    """What the channels at an input become: 0 is the tensor as it was, 1 what is written.

    Args:
        node: the autograd node.
        call: shapes of the view that is written to, and of what is written; of the whole tensor.
        position: which of the inputs it is.
        width: number of channels.
        layout: where they lie, None where the shape is not known.
    Raises:
        Unknown: the place was not seen, has no width that follows, or is a part of the channels.
    """
    if _reads_again(node):
        if layout is None or not _in_order(node, layout.shape):
            raise Unknown(f'{node.name()} takes another view than the one that was written to')
        return _placed(node, layout, tuple(node._saved_size))
    if call is None:
        raise Unknown(f'{node.name()} writes in place where it cannot be followed')
    if position == 0:
        return unchanged(width, layout or guessed(call.output, width))
    if node.next_functions[0][0] is None:
        raise Unknown(f'{node.name()} writes it into a tensor of fixed width')
    (view, _), (value, _) = call.inputs
    layout = layout or guessed(value, width)
    if layout is None:
        raise Unknown(f'{node.name()} writes a tensor whose shape was not seen')
    shift = len(view) - len(layout.shape)
    placed = layout.moved(view, {axis: axis + shift for axis in layout.axes})
    if placed.sizes != layout.sizes:
        raise Unknown(f'{node.name()} writes one channel into several')
    return _placed(node, placed, call.output)


def _in_order(node: Any, whole: tuple[int, ...]) -> bool:
    """Whether a view goes through the numbers of a tensor in their order."""
    size = tuple(node._saved_size)
    like = size if math.prod(size) == math.prod(whole) else whole
    return tuple(node._saved_stride) == torch.empty(like, device='meta').stride()


def _placed(node: Any, layout: Layout, shape: tuple[int, ...]) -> Passage:
    """From a view to the whole tensor, or back: of as many numbers, or some places of its axes."""
    if math.prod(layout.shape) != math.prod(shape):
        after = replace(layout, shape=tuple(shape))
        if after.sizes != layout.sizes:
            raise Unknown(f'{node.name()} writes it into a part of the channels')
        return unchanged(layout.width, after)
    after, source, split = regrouped(layout, shape)
    if after.free is None:
        raise Unknown(f'{node.name()} of {layout.shape} to {tuple(shape)} cannot be followed')
    together = after.index(after.free) if split else None
    return Passage(source, np.arange(after.width), after.width, after, together)
