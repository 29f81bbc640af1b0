"""Tables: channels of one layer that are the entries of a matrix, which loses rows or columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from torch import nn

from mmrobustprune.dependency.groups import Cut, Group

from .cuts import cuts_of
from .layout import Count, Layout, Passage
from .products import plain_name

_MOVES = {'transpose', 'permute', 't', 'expand', 'clone'}


def table_behind(fn: Any, layout: Layout | None) -> Any:
    """The view that made a table of what a factor of a product holds; None where it is none.

    Args:
        fn: the autograd node of the factor.
        layout: where its channels lie.
    """
    if layout is None or len(layout.axes) < 2 or layout.axes[-2] < len(layout.shape) - 2:
        return None
    while plain_name(fn.name()) in _MOVES:
        fn = fn.next_functions[0][0]
    return fn if 'view' in plain_name(fn.name()) else None


def turned(passage: Passage) -> Passage:
    """The passage into a table, of which the next longest side shrinks."""
    layout = passage.layout
    others = [axis for axis in layout.axes if axis != layout.free]
    axis = max(others, key=lambda one: layout.shape[one])
    index = layout.index(axis)
    _, first = np.unique(index, return_index=True)
    count = Count(layout.shape[axis], passage.source[first])
    after = replace(layout, free=axis)
    return replace(passage, layout=after, together=index, counts=(count,))


def staying(model: nn.Module, fn: Any, module: str, layout: Layout) -> Iterator[Cut]:
    """The numbers in a module that say how long the sides of a table are which stay."""
    for axis in layout.axes:
        if axis != layout.free:
            count = Count(layout.shape[axis], np.zeros(0, int))
            yield from (cut for cut in cuts_of(model, fn.name(), module, count) if cut.attribute)


def pinned(groups: Iterable[Group], numbers: Iterable[Cut]) -> tuple[Group, ...]:
    """The groups, of which those with channels inside a module know its numbers that stay.

    Such a number may equal a width that changes, and would be taken for it.
    """
    found = []
    for group in groups:
        known = {(cut.module, cut.attribute) for cut in group.cuts}
        more = [
            cut
            for cut in dict.fromkeys(numbers)
            if (cut.module, cut.attribute) not in known and _is_in(cut.module, group)
        ]
        found.append(replace(group, cuts=group.cuts + tuple(more)))
    return tuple(found)


def _is_in(module: str, group: Group) -> bool:
    return any(f'{part.layer}.'.startswith(f'{module}.') for part in group.slices)
