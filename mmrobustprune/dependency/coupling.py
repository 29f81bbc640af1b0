"""Channels tied to one another -> groups of units."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import replace

import numpy as np
import torch
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from .balance import Even, even_units
from .groups import Cut, Group, Slice

Side = tuple[Hashable, str]  # (layer name, 'out' | 'in') or (Cut, 'cut')
Unit = dict[Side, list[int]]  # the channels of each side that go together


class Coupling:
    """Slots (tensor sides and operations) of known width, with links between their channels."""

    def __init__(self):
        self.widths: dict[Hashable, int] = {}
        self.reasons: dict[Hashable, str] = {}  # slot -> why its channels all stay
        self.links: list[tuple[Hashable, np.ndarray, Hashable, np.ndarray]] = []
        self.parts: dict[tuple[Hashable, str], np.ndarray] = {}  # (slot, why) -> part per channel
        self.cuts: dict[Hashable, Side] = {}  # slot -> the cut whose channels it counts

    def keep(self, slot: Hashable, reason: str) -> None:
        """Every channel that is tied to this slot stays; the first reason given counts."""
        self.reasons.setdefault(slot, reason)

    def link(self, a: Hashable, of_a: np.ndarray, b: Hashable, of_b: np.ndarray) -> None:
        """Channel `of_a[i]` of slot a goes when channel `of_b[i]` of slot b goes."""
        self.links.append((a, of_a, b, of_b))

    def together(self, slot: Hashable, labels: np.ndarray) -> None:
        """Channels of a slot that have the same label (width,) go together."""
        _, first, label = np.unique(labels, return_index=True, return_inverse=True)
        self.link(slot, np.arange(len(labels)), slot, first[label.flatten()])

    def even(self, slot: Hashable, parts: np.ndarray, why: str) -> None:
        """All parts (width,) of a slot lose equally many channels; others stay because of why."""
        self.parts[slot, why] = parts

    def count(self, cut: Cut, slot: Hashable, channels: np.ndarray) -> None:
        """A number in the model counts these channels of a slot."""
        own = (cut, 'cut')
        if own not in self.cuts:
            self.cuts[own] = own
            self.widths[own] = len(channels)
            self.link(own, np.arange(len(channels)), slot, channels)

    def solve(
        self, sides: dict[Hashable, Side], producers: set[str], order: Iterable[str]
    ) -> tuple[tuple[Group, ...], dict[str, str]]:
        """Groups of the channels on the given sides, and why each other producer is unprunable.

        A unit is a connected component of channels, or as few of them as leave all parts even, with
        a producer's output and a consumer's input in it and no reason to stay; units of the same
        make-up form one group.

        Args:
            sides: slot -> the side of a layer that it stands for.
            producers: layers that make channels of their own.
            order: names of all layers, first to last.
        """
        self._number_channels()
        rank = {name: i for i, name in enumerate(order)}
        reasons = self._reasons()

        def place(side: Side) -> tuple:
            return 'out in cut'.index(side[1]), rank.get(side[0], 0)

        components = self._units(sides | self.cuts, place)
        makeups: dict[tuple, list[Unit]] = {}
        unprunable: dict[str, str] = {}

        def makers(unit: Unit) -> list[str]:
            return [layer for layer, side in unit if side == 'out' and layer in producers]

        made = np.array([bool(makers(unit)) for unit in components], bool)
        free = made & (reasons == None)  # noqa: E711 (elementwise)
        members: dict[tuple, list[np.ndarray]] = {}
        for joined in even_units(free, self._rules()):
            unit = _merged([components[i] for i in joined], place)
            if any(side == 'in' for _, side in unit):
                makeup = tuple((side, _count(side, channels)) for side, channels in unit.items())
                makeups.setdefault(makeup, []).append(unit)
                members.setdefault(makeup, []).append(joined)
        taken = np.zeros(len(free), bool)
        for makeup, sets in members.items():
            if len(sets) == 1 and len(sets[0]) > 1:
                del makeups[makeup]  # nothing is left where the only even set goes
            else:
                taken[np.concatenate(sets)] = True
        uneven = self._uneven()
        for i in np.flatnonzero(made & ~taken):
            why = reasons[i] or uneven.get(i, 'no layer that can shrink reads it')
            for layer in makers(components[i]):
                unprunable.setdefault(layer, why)
        groups = _groups(makeups, producers, rank)
        pruned = set()
        for group in groups:
            pruned |= {part.layer for part in group.slices if part.side == 'out'}
        return groups, {layer: why for layer, why in unprunable.items() if layer not in pruned}

    def _number_channels(self) -> None:
        """Give every channel of every slot the number of its connected component."""
        self._start: dict[Hashable, int] = {}
        total = 0
        for slot, size in self.widths.items():
            self._start[slot] = total
            total += size
        rows = [np.zeros(0, int)]
        columns = [np.zeros(0, int)]
        for a, of_a, b, of_b in self.links:
            rows.append(self._start[a] + of_a)
            columns.append(self._start[b] + of_b)
        ends = (np.concatenate(rows), np.concatenate(columns))
        links = np.ones(len(ends[0]), bool)
        graph = coo_matrix((links, ends), shape=(total, total))
        self._count, self._label = connected_components(graph, directed=False)

    def _components(self, slot: Hashable) -> np.ndarray:
        """The component (width,) of each channel of a slot."""
        start = self._start[slot]
        return self._label[start : start + self.widths[slot]]

    def _reasons(self) -> np.ndarray:
        """Why each component stays, None where it need not; the first reason given counts."""
        why = np.full(self._count, None, object)
        for slot, reason in self.reasons.items():
            if slot in self._start:
                own = self._components(slot)
                why[own[why[own] == None]] = reason  # noqa: E711 (elementwise)
        return why

    def _rules(self) -> list[Even]:
        return [
            Even(self._components(slot), parts)
            for (slot, _), parts in self.parts.items()
            if slot in self._start
        ]

    def _uneven(self) -> dict[int, str]:
        """Why each component that a rule speaks of stays where it fits into no even unit."""
        why: dict[int, str] = {}
        for slot, reason in self.parts:
            for component in self._components(slot) if slot in self._start else ():
                why.setdefault(component, reason)
        return why

    def _units(self, sides: dict[Hashable, Side], place: Callable[[Side], tuple]) -> list[Unit]:
        """The channels of each component, outputs first, in the order of the layers."""
        units: list[Unit] = [{} for _ in range(self._count)]
        for slot, side in sorted(sides.items(), key=lambda item: place(item[1])):
            for channel, component in enumerate(self._components(slot)):
                units[component].setdefault(side, []).append(channel)
        return units


def _count(side: Side, channels: list[int]) -> int:
    """How many channels of a side a unit holds; where no number is known it does not matter."""
    cut = side[0]
    return 1 if isinstance(cut, Cut) and not cut.attribute else len(channels)


def _merged(units: list[Unit], place: Callable[[Side], tuple]) -> Unit:
    """Several components as one unit, its sides and the channels of each in order."""
    merged: Unit = {}
    for side in sorted(set().union(*units), key=place):
        merged[side] = sorted(sum((unit.get(side, []) for unit in units), []))
    return merged


def _groups(
    makeups: dict[tuple, list[Unit]], producers: set[str], rank: dict[str, int]
) -> tuple[Group, ...]:
    """One group per make-up, named after the first layer that makes its channels."""
    found = []
    for makeup, units in makeups.items():
        root = next(side for side, _ in makeup if side[1] == 'out' and side[0] in producers)
        found.append((rank[root[0]], units[0][root], root, makeup, units))
    groups = []
    taken: dict[str, int] = {}
    for *_, root, makeup, units in sorted(found, key=lambda one: one[:2]):
        units.sort(key=lambda unit: unit[root])
        name = root[0]
        taken[name] = taken.get(name, 0) + 1
        label = name if taken[name] == 1 else f'{name}#{taken[name]}'
        slices = []
        cuts = []
        for side, count in makeup:
            if side[1] == 'cut':
                cuts.append(replace(side[0], channels=count))
            else:
                slices.append(Slice(*side, torch.tensor([unit[side] for unit in units])))
        groups.append(Group(label, len(units), tuple(slices), tuple(cuts)))
    return tuple(groups)
