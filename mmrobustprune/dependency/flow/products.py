"""Matrix products of two computed tensors: what becomes of the channels on the axes of both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from .coupling import Coupling
from .layout import Count, Layout, Passage, Unknown, guessed

PRODUCTS = {'bmm', 'mm'}  # (N, n, k) times (N, k, m) and (n, k) times (k, m)
_ENDS = {
    True: 'it ends in a product whose code may scale it by its width',
    False: 'it ends in a product whose other factor was not followed',
}
SUMMED = ('out 1', 'out 2')  # the slots of axis k of the first and of the second factor


def is_product(name: str) -> bool:
    """Whether the autograd node of that name multiplies two matrices, or two batches of them."""
    return plain_name(name) in PRODUCTS


def multiplied(
    node: Any, position: int, width: int, layout: Layout | None, output: int
) -> Passage | None:
    """What the channels of one factor become; None where none are on the axis asked for.

    Channels on the axis that a factor keeps go on to the product. Those on the axis that both are
    summed over end there: they are the same ones in both factors. Of a factor with channels on
    both axes, a table, the one shrinks that is free in its layout, and the other one stays.

    Args:
        node: the autograd node.
        position: 0 or 1, of the factor.
        width: number of channels.
        layout: where they lie.
        output: 0 for the product, 1 or 2 for the summed axis of the first or second factor.
    Raises:
        Unknown: their place is not known, or they count the matrices of a batch (heads).
    """
    first, second = (None if one is None else one.shape for one in _factors(node))
    own, other = (first, second) if position == 0 else (second, first)
    if layout is None and own is not None and own[-1] != own[-2]:
        layout = guessed(own, width)
    if layout is None or other is None:
        raise Unknown(f'{node.name()} is not known to keep channels apart')
    ndim = len(layout.shape)
    kept = ndim - 2 + position
    summed = ndim - 1 - position
    if set(layout.axes) - {kept, summed}:
        raise Unknown(f'{node.name()} multiplies several matrices, which its channels count')
    if output:
        ends = output == 1 + position and layout.free == summed
        return _ended(layout, summed) if ends else None
    shape = list(layout.shape)
    shape[summed] = other[summed]
    if kept not in layout.axes:
        return None
    if layout.free == summed:
        why = f'it is the side of a table in {node.name()} whose other side can shrink'
        nothing = np.zeros(0, int)
        after = Layout.along(shape, kept)
        return Passage(nothing, nothing, after.width, after, stays=why)
    after = Layout.along(shape, kept)
    return Passage(np.arange(width), layout.index(kept), after.width, after)


def _ended(layout: Layout, axis: int) -> Passage:
    """Channels that end on an axis; the code may hold their number, in a scale for instance."""
    index = layout.index(axis)
    _, first = np.unique(index, return_index=True)
    return Passage(np.arange(layout.width), index, len(first), counts=(Count(None, first),))


class Products:
    """The products of a traced network: what their factors have in common.

    Args:
        numbers: those of the products among all operations.
    """

    def __init__(self, numbers: Iterable[int]):
        self.numbers = set(numbers)
        self._tables: set[int] = set()
        self._unsure: dict[
            tuple[int, int], str
        ] = {}  # (product, factor) -> why it was not followed

    def slots(self) -> Iterator[tuple[int, str]]:
        """The slots of the axes that the factors are summed over."""
        for number in sorted(self.numbers):
            yield from ((number, side) for side in SUMMED)

    def has_table(self, number: int) -> None:
        """A factor of a product has channels on both of its axes."""
        self._tables.add(number)

    def doubt(self, number: int, position: int, reason: str) -> tuple[int, str]:
        """A factor was not followed: return the slot of its summed axis, which stays."""
        self._unsure.setdefault((number, position), reason)
        return number, SUMMED[position]

    def doubtful(
        self, layouts: Mapping[Any, Layout | None]
    ) -> Iterator[tuple[tuple[int, str], str]]:
        """(slot, why) of every product whose channels are not those of a factor that was followed.

        More factors may come into doubt meanwhile.

        Args:
            layouts: slot -> where its channels lie.
        """
        for number in sorted(self.numbers - {slot[0] for slot in layouts if slot[1] == 'out'}):
            yield (number, 'out'), 'it is joined with a product of which no channels are known'
        done: set[tuple[int, int]] = set()
        while left := self._unsure.keys() - done:
            number, position = min(left)
            done.add((number, position))
            layout = layouts.get((number, 'out'))
            if layout is None or layout.free != len(layout.shape) - 1 - position:
                yield (number, 'out'), self._unsure[number, position]

    def tie(self, coupling: Coupling, reached: Mapping[Any, np.ndarray]) -> None:
        """Both factors of a product lose the same channels of the axis that it is summed over.

        Where neither is a table, they are queries and keys of an attention that is not known, with
        a scale, more often than not, that is computed from their width: they stay.

        Args:
            coupling: to which the links are added.
            reached: slot -> which of its channels (width,) something arrived at.
        """
        for number in self.numbers:
            known = [(number, side) for side in SUMMED if (number, side) in reached]
            both = len(known) == len(SUMMED) and all(reached[slot].all() for slot in known)
            if both and number in self._tables:
                every = np.arange(coupling.widths[known[0]])
                coupling.link(known[0], every, known[1], every)
                coupling.end(known[0], every)
                continue
            for slot in known:
                coupling.keep(slot, _ENDS[both])


def plain_name(name: str) -> str:
    """The name of an autograd node in small letters, without 'Backward0'."""
    return name.lower().rstrip('0123456789').removesuffix('backward')


def _factors(node: Any) -> tuple:
    return node._saved_self, node._saved_mat2
