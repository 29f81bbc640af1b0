"""How the channels of an attention's heads hang together, for the walk over the traced graph."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any

import numpy as np

from mmrobustprune.naming import unknown

from .attention import HEAD, KEY, QUERY, UNITS, VALUE, HeadLayout, Place
from .attention_runs import AttentionRun
from .flow.coupling import Coupling, Side
from .flow.layout import Passage, Unknown

Located = list[tuple[Place, Hashable]]  # places and the slots that hold their channels


class Heads:
    """The runs of all attentions, as ways and links between channels.

    Args:
        runs: what the forward pass did.
        units: 'heads' (a unit is a head), or 'dims' (one dimension of every head, where single ones
            can go: of queries and keys, or of values).
    Raises:
        ValueError: `units` is neither.

    Attributes:
        inside: autograd nodes whose channels are followed here.
        sinks: what each output projection reads -> its run, and the sources in order.
    """

    def __init__(self, runs: Iterable[AttentionRun], units: str):
        if units not in UNITS:
            raise unknown('attention', units, UNITS)
        self.runs = list(runs)
        self.units = units
        self.inside: set = set()
        self.sinks: dict[Any, tuple[AttentionRun, list[str]]] = {}
        for run in self.runs:
            self.inside |= run.inside
            self.sinks[run.sink] = run, list(run.sources)

    def ways(self) -> Iterator[tuple[Any, Any, int]]:
        """(source node, node that the output projection reads, position of the source)."""
        for run in self.runs:
            for position, source in enumerate(run.sources.values()):
                yield source, run.sink, position

    def enter(self, fn: Any, position: int, width: int) -> Passage | None:
        """What the channels of a source become for the output projection; None where they end.

        Raises:
            Unknown: they are not as many as the layout says.
        """
        run, sources = self.sinks[fn]
        places = [place for place in run.layout.places if place.source == sources[position]]
        if sum(place.index.size for place in places) != width:
            raise Unknown(f"attention '{run.name}' takes its heads from {width} channels")
        for place in places:
            if place.role == VALUE:
                every = place.channels.ravel()
                return Passage(every, np.arange(every.size), every.size)
        return None

    def tie(
        self,
        coupling: Coupling,
        slot_of: Callable[..., Hashable | None],
        graph: Iterable[Any],
        outputs: set,
    ) -> dict[Hashable, Side]:
        """Link the channels that go together.

        Args:
            coupling: to which the links are added.
            slot_of: the slot of what made an autograd node, or of a bare parameter by its name,
                and with 'in' that of what it reads; None where there is none.
            graph: all autograd nodes.
            outputs: those of the model's outputs.
        Returns:
            Slots of numbers that modules hold for each head, with their sides.
        """
        read: set = set()
        for fn in set(graph) - self.inside:
            read |= {before for before, _ in fn.next_functions}
        sides: dict[Hashable, Side] = {}
        for run in self.runs:
            single = run.layout.single and self.units == 'dims'
            places = [place for place in run.layout.places if not single or place.role != HEAD]
            slots = [(place, _slot(run, place, slot_of)) for place in places]
            for place, slot in slots:
                if not place.source:
                    coupling.widths[slot] = place.index.size
                    sides[slot] = (run.name, 'out')
            why = ''
            if any(place.channels.max() >= coupling.widths.get(slot, 0) for place, slot in slots):
                why = f"the heads of '{run.name}' could not be followed"
            elif not single and run.layout.heads == 1:
                why = f"'{run.name}' has a single head"
            elif (read | outputs) & (run.inside - {run.sink}):
                why = f"more than '{run.name}.{run.layout.output}' reads the heads of '{run.name}'"
            if why:
                for slot in {slot for _, slot in slots} - {None}:
                    coupling.keep(slot, why)
            else:
                _tie(coupling, slots, run.layout, single)
            _tie_columns(coupling, run, slot_of)
            for slot in {slot_of(node) for node in run.beside} - {None}:
                coupling.keep(slot, f"'{run.name}' reads it beside its projections")
        return sides


def _slot(run: AttentionRun, place: Place, slot_of: Callable) -> Hashable | None:
    if not place.source:
        return ('heads', run.name)
    return slot_of(run.sources.get(place.source, f'{run.name}.{place.source}'))


def _tie_columns(coupling: Coupling, run: AttentionRun, slot_of: Callable) -> None:
    """Several sources that are rows of one layer read the same columns of it."""
    for layer in {place.layer for place in run.layout.places if place.enters}:
        sources = {place.source for place in run.layout.places if place.layer == layer}
        if len(sources) == 1:
            continue
        slots = [slot_of(run.sources[source], 'in') for source in sorted(sources)]
        width = max(coupling.widths.get(slot, 0) for slot in slots)
        for slot in slots:
            if slot not in coupling.widths:
                coupling.widths[slot] = width
                coupling.keep(slot, f"what '{run.name}' reads could not be followed")
            coupling.link(slot, np.arange(width), slots[0], np.arange(width))


def _tie(coupling: Coupling, slots: Located, layout: HeadLayout, single: bool) -> None:
    if not single:
        _link(coupling, [(place.channels, slot) for place, slot in slots])
    elif layout.together:
        _link(coupling, _across(slots, (QUERY, KEY, VALUE)))
    else:
        products = _link(coupling, _across(slots, (QUERY, KEY)))
        if products is not None:
            coupling.end(*products)
        _link(coupling, _across(slots, (VALUE,)))


def _across(slots: Located, roles: tuple[str, ...]) -> list[tuple[np.ndarray, Hashable]]:
    """Channels (dimensions, heads) of the places of these roles."""
    return [(place.channels.T, slot) for place, slot in slots if place.role in roles]


def _link(
    coupling: Coupling, units: list[tuple[np.ndarray, Hashable]]
) -> tuple[Hashable, np.ndarray] | None:
    """Tie the channels (units, n) of each slot to the first of their unit; return those."""
    if not units:
        return None
    channels, first = units[0]
    anchor = channels[:, 0]
    for one, slot in units:
        coupling.link(slot, one.ravel(), first, np.repeat(anchor, one.shape[1]))
    return first, anchor
