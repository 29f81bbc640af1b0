"""Operations that move channels to other places: axes that change, pieces that are taken."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from mmrobustprune.dependency.recording import Call

from .layout import Count, Layout, Passage, Unknown, guessed, unchanged


def plain(value: int | None) -> int | None:
    """A number that autograd kept unsigned."""
    return value - 2**64 if value is not None and value >= 2**63 else value  # -1 is kept unsigned


def signed(value: int, ndim: int) -> int:
    """The axis that autograd kept, from 0 on."""
    return plain(value) % ndim if ndim else plain(value)


def _permuted(layout: Layout, order: list[int]) -> Passage:
    """Axis j of the output is axis `order[j]` of the input."""
    places = {old: new for new, old in enumerate(order)}
    after = layout.moved([layout.shape[axis] for axis in order], places)
    turned = sorted(range(len(layout.axes)), key=lambda k: places[layout.axes[k]])
    source = layout.grid().transpose(turned).flatten()
    return Passage(source, np.arange(layout.width), layout.width, after)


def _transposed(node, call: Call | None, layout: Layout, output: int) -> Passage:
    ndim = len(layout.shape)
    first = signed(getattr(node, '_saved_dim0', 0), ndim)  # of `t`: 0 and 1
    second = signed(getattr(node, '_saved_dim1', 1), ndim)
    order = list(range(ndim))
    order[first] = second
    order[second] = first
    return _permuted(layout, order)


def _permute(node, call: Call | None, layout: Layout, output: int) -> Passage:
    return _permuted(layout, [signed(dim, len(layout.shape)) for dim in node._saved_dims])


def _stacked(node, call: Call | None, layout: Layout, output: int) -> Passage:
    if call is None:
        raise Unknown(f'{node.name()} was not seen from Python')
    new = signed(node._saved_dim, len(call.output))
    places = {axis: axis + (axis >= new) for axis in layout.axes}
    return unchanged(layout.width, layout.moved(call.output, places))


def _shuffled(node, call: Call | None, layout: Layout, output: int) -> Passage:
    """Channels of g groups, one of each group in turn; the second axis is theirs."""
    if layout.axes != (1,):
        raise Unknown(f'{node.name()} works across its channels')
    turned = layout.grid().reshape(node._saved_groups, -1).T
    places = np.arange(layout.width)
    together = places // node._saved_groups
    return Passage(turned.flatten(), places, layout.width, layout, together)


def _picked(layout: Layout, axis: int, places: np.ndarray) -> Passage:
    """The channels at some places of an axis."""
    source = layout.grid().take(places, layout.axes.index(axis)).flatten()
    shape = list(layout.shape)
    shape[axis] = len(places)
    return Passage(source, np.arange(len(source)), len(source), replace(layout, shape=tuple(shape)))


def _narrowed(layout: Layout, axis: int, places: range, pieces: int) -> Passage:
    """A piece of an axis; pieces of this length must stay equally long on the one that shrinks."""
    after = [len(places) if d == axis else size for d, size in enumerate(layout.shape)]
    if axis not in layout.axes:
        return unchanged(layout.width, replace(layout, shape=tuple(after)))
    passage = _picked(layout, axis, np.array(places, int))
    if axis != layout.free or not pieces:
        return passage
    return replace(passage, parts=layout.index(axis) // pieces)


def _sliced(node, call: Call | None, layout: Layout, output: int) -> Passage:
    axis = signed(node._saved_dim, len(layout.shape))
    size = layout.shape[axis]
    edges = (plain(node._saved_start), plain(node._saved_end), node._saved_step)
    places = range(*slice(*edges).indices(size))
    if axis == layout.free and places.step > 1:
        raise Unknown(f'{node.name()} picks channels at fixed places')
    # What is left out must stay in proportion: the numbers may be computed from the width.
    pieces = math.gcd(places.start, places.stop, size)
    passage = _narrowed(layout, axis, places, pieces)
    if axis != layout.free or len(places) == size:
        return passage
    index = layout.index(axis)
    edges = {places.start, places.stop} - {0, size}
    counts = tuple(Count(edge, np.flatnonzero(index < edge)) for edge in sorted(edges))
    return replace(passage, counts=counts)


def _split(node, call: Call | None, layout: Layout, output: int) -> Passage:
    axis = signed(node._saved_dim, len(layout.shape))
    size = layout.shape[axis]
    if 'sizes' in node.name().lower():
        sizes = [int(one) for one in node._saved_split_sizes]
    else:
        step = int(node._saved_split_size)
        sizes = [step] * (size // step) + [size % step] * (size % step > 0)
        if len(set(sizes)) > 1 and axis == layout.free:
            raise Unknown(f'{node.name()} splits its channels into parts that are not equal')
    start = sum(sizes[:output])
    equal = len(set(sizes)) == 1
    places = range(start, start + sizes[output])
    passage = _narrowed(layout, axis, places, sizes[0] if equal else 0)
    if axis != layout.free or len(sizes) == 1:
        return passage
    count = Count(sizes[output], passage.source, tuple(sizes), output)
    return replace(passage, counts=(count,))


def _selected(node, call: Call | None, layout: Layout, output: int) -> Passage:
    ndim = len(layout.shape)
    axis = signed(node._saved_dim, ndim)
    if axis == layout.free:
        raise Unknown(f'{node.name()} picks channels at fixed places')
    passage = unchanged(layout.width, layout)
    if axis in layout.axes:
        place = output if 'unbind' in node.name().lower() else plain(node._saved_index)
        passage = _picked(layout, axis, np.array([place % layout.shape[axis]]))
    places = {d: d - (d > axis) for d in range(ndim)}
    shape = [size for d, size in enumerate(layout.shape) if d != axis]
    left = tuple(d for d in layout.axes if d != axis)
    after = Layout(layout.shape, left, layout.free).moved(shape, places)
    return replace(passage, layout=after)


def _indexed(node, call: Call | None, layout: Layout, output: int) -> Passage:
    indices = getattr(node, '_saved_indices', None)
    if indices is not None:
        touched = {d for d, index in enumerate(indices) if index is not None}
    else:
        touched = {signed(node._saved_dim, len(layout.shape))}
    if touched & set(layout.axes):
        raise Unknown(f'{node.name()} picks channels at fixed places')
    shape = None if call is None else tuple(call.output)
    return unchanged(layout.width, guessed(shape, layout.width))


def _unfolded(node, call: Call | None, layout: Layout, output: int) -> Passage:
    """Windows of an image: (N, C, H, W) -> (N, C * window, positions)."""
    if call is None or layout.axes != (1,):
        raise Unknown(f'{node.name()} cuts windows that cannot be followed')
    target = np.arange(call.output[-2])
    window = len(target) // layout.width
    return Passage(target // window, target, len(target), Layout.along(call.output, 1))


MOVES: dict[str, Callable] = {
    'im2col': _unfolded,
    'transpose': _transposed,
    't': _transposed,
    'permute': _permute,
    'stack': _stacked,
    'channelshuffle': _shuffled,
    'slice': _sliced,
    'split': _split,
    'splitwithsizes': _split,
    'select': _selected,
    'unbind': _selected,
    'index': _indexed,
    'indexselect': _indexed,
}
