"""Where in a tensor its channels lie, and what they become in the next one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Layout:
    """The channels of a tensor: counted along some of its axes, the last one fastest.

    Attributes:
        shape: of the tensor.
        axes: the axes that hold channels, ascending.
        free: the one of them that can shrink. What lies along the others goes together: they are
            the groups of a channel shuffle, the splits of an attention over splits.
    """

    shape: tuple[int, ...]
    axes: tuple[int, ...]
    free: int

    @classmethod
    def along(cls, shape: Sequence[int], axis: int) -> Layout:
        """Channels on one axis."""
        return cls(tuple(shape), (axis,), axis)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Length of each axis of channels."""
        return tuple(self.shape[axis] for axis in self.axes)

    @property
    def width(self) -> int:
        """Number of channels."""
        return math.prod(self.sizes)

    def grid(self) -> np.ndarray:
        """The channels' numbers, laid out along their axes."""
        return np.arange(self.width).reshape(self.sizes)

    def index(self, axis: int) -> np.ndarray:
        """Where each channel (width,) lies along one of the axes."""
        return np.indices(self.sizes)[self.axes.index(axis)].flatten()

    def moved(self, shape: Sequence[int], to: dict[int, int]) -> Layout:
        """The same channels in a tensor of another shape, each axis in its new place."""
        axes = tuple(sorted(to[axis] for axis in self.axes))
        return Layout(tuple(shape), axes, to[self.free])


def axis_of(shape: tuple[int, ...], width: int) -> int | None:
    """The axis that holds `width` channels: the second, else the last."""
    if len(shape) > 1 and shape[1] == width:
        return 1
    return len(shape) - 1 if shape and shape[-1] == width else None


def guessed(shape: tuple[int, ...] | None, width: int) -> Layout | None:
    """The layout of `width` channels in a tensor of which no more than the shape is known."""
    axis = None if shape is None else axis_of(tuple(shape), width)
    return None if axis is None else Layout.along(shape, axis)


def regrouped(layout: Layout, after: Sequence[int]) -> tuple[Layout, np.ndarray, bool]:
    """What a view makes of channels.

    Returns:
        The new layout; for each of its channels the old one that it belongs to; and whether one
        axis of channels became several, of which the longest can shrink.
    """
    kept: list[int] = []
    source = np.zeros((), int)
    free = None
    split = False
    for old, new in _runs(layout.shape, after):
        held = [axis for axis in old if axis in layout.axes]
        if not held:
            continue
        labels = _labels(layout, old, held, [after[axis] for axis in new])
        varying = [k for k in range(len(new)) if (labels != labels.take([0], k)).any()] or [0]
        still = tuple(slice(None) if k in varying else 0 for k in range(len(new)))
        size = math.prod(layout.shape[axis] for axis in held)
        source = np.add.outer(source * size, labels[still])
        mine = [new[k] for k in varying]
        kept += mine
        if layout.free in held:
            free = max(mine, key=lambda axis: (after[axis], axis))
            split |= len(mine) > len(held)
    return Layout(tuple(after), tuple(kept), free), source.flatten(), split


def _labels(layout: Layout, old: Iterable[int], held: list[int], sizes: list[int]) -> np.ndarray:
    """The channel of every element of a run of axes, in its new sizes."""
    inside = [layout.shape[axis] if axis in held else 1 for axis in old]
    numbers = np.arange(math.prod(inside)).reshape(inside)
    return np.broadcast_to(numbers, [layout.shape[axis] for axis in old]).reshape(sizes)


def _runs(before: Sequence[int], after: Sequence[int]) -> Iterator[tuple[list[int], list[int]]]:
    """Runs of axes of both shapes that hold as many elements as each other, first to last."""
    i = j = 0
    while i < len(before) and j < len(after):
        old, new = [i], [j]
        left, right = before[i], after[j]
        while left != right:
            if left < right:
                i += 1
                old.append(i)
                left *= before[i]
            else:
                j += 1
                new.append(j)
                right *= after[j]
        yield old, new
        i += 1
        j += 1


class Unknown(Exception):
    """The operation mixes channels in a way that cannot be followed; its text says how."""


@dataclass(frozen=True, eq=False)
class Count:
    """A number at which an operation cuts channels.

    Attributes:
        value: the number; None where only a number that is computed from it can matter.
        channels: those of the input that it counts.
        sizes: all pieces, where a split lists them.
        place: which one of them it is.
    """

    value: int | None
    channels: np.ndarray
    sizes: tuple[int, ...] = ()
    place: int | None = None


@dataclass(frozen=True, eq=False)
class Passage:
    """Channel `source[i]` of the input becomes `target[i]` of an output.

    Attributes:
        layout: of the output, None where its shape is not known.
        width: channels of the output.
        together: (width,) channels of the output with the same label go together; None: each alone.
        parts: (width of the input,) parts of the input that must lose equally many channels.
        counts: numbers that the code may hold, with the channels of the input that they count.
        stays: why the output is as wide as it is, in which case nothing of the input is in it.
    """

    source: np.ndarray
    target: np.ndarray
    width: int
    layout: Layout | None = None
    together: np.ndarray | None = None
    parts: np.ndarray | None = None
    counts: tuple[Count, ...] = ()
    stays: str = ''


def unchanged(width: int, layout: Layout | None = None) -> Passage:
    """Every channel stays what it is, where the layout says."""
    own = np.arange(width)
    return Passage(own, own, width, layout)
