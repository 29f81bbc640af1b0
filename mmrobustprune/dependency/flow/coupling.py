"""Channels tied to one another -> groups of units."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import replace

import numpy as np
import torch
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import connected_components

from mmrobustprune.dependency.groups import Cut, Group, Slice

from .balance import Even, even_units

Side = tuple[Hashable, str]  # (layer name, 'out' | 'in') or (Cut, 'cut')
SIDES = ('out', 'in', 'cut')  # their order in a group


class Coupling:
    """Slots (tensor sides and operations) of known width, with links between their channels."""

    def __init__(self):
        self.widths: dict[Hashable, int] = {}
        self.reasons: dict[Hashable, str] = {}  # slot -> why its channels all stay
        self.links: list[tuple[Hashable, np.ndarray, Hashable, np.ndarray]] = []
        self.ends: list[tuple[Hashable, np.ndarray]] = []
        self.parts: dict[tuple[Hashable, str], np.ndarray] = {}  # (slot, why) -> part per channel
        self.cuts: dict[Hashable, Side] = {}  # slot -> the cut whose channels it counts

    def keep(self, slot: Hashable, reason: str) -> None:
        """Every channel that is tied to this slot stays; the first reason given counts."""
        self.reasons.setdefault(slot, reason)

    def link(self, a: Hashable, of_a: np.ndarray, b: Hashable, of_b: np.ndarray) -> None:
        """Channel `of_a[i]` of slot a goes when channel `of_b[i]` of slot b goes."""
        self.links.append((a, of_a, b, of_b))

    def end(self, slot: Hashable, channels: np.ndarray) -> None:
        """No layer need read these channels and what is tied to them: they end in a product."""
        self.ends.append((slot, channels))

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

        def place(item: tuple[Hashable, Side]) -> tuple[int, int]:
            owner, side = item[1]
            return SIDES.index(side), rank.get(owner, 0)

        ordered = sorted((sides | self.cuts).items(), key=place)
        parts = [side for _, side in ordered]
        made = np.array([side == 'out' and layer in producers for layer, side in parts], bool)
        read = np.array([side == 'in' for _, side in parts], bool)
        table = self._table([slot for slot, _ in ordered])
        reasons = self._reasons()
        makes = table @ made > 0
        sets = even_units(makes & (reasons == None), self._rules())  # noqa: E711 (elementwise)
        self._unit = _numbered(sets, self._count)
        units = _joined(self._unit, len(sets)) @ table
        used = np.zeros(len(sets), bool)
        used[self._unit[self._ended() & (self._unit >= 0)]] = True
        used |= units @ read > 0
        several = np.array([len(joined) > 1 for joined in sets], bool)
        groups = self._groups(ordered, made, units, used, several)
        taken = np.append(used, False)[self._unit]
        unprunable = self._unprunable(ordered, made, makes & ~taken, reasons)
        pruned = set()
        for group in groups:
            pruned |= {part.layer for part in group.slices if part.side == 'out'}
        return groups, {layer: why for layer, why in unprunable.items() if layer not in pruned}

    def stays(self, slot: Hashable) -> bool:
        """Whether, after `solve`, no channel of a slot is in a unit."""
        return bool((self._unit[self._components(slot)] < 0).all())

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

    def _table(self, slots: list[Hashable]) -> csr_matrix:
        """How many channels of each slot are in each component (components, slots)."""
        rows = [np.zeros(0, int)] + [self._components(slot) for slot in slots]
        columns = np.repeat(np.arange(len(slots)), [self.widths[slot] for slot in slots])
        shape = (self._count, len(slots))
        ones = np.ones(len(columns), int)
        return coo_matrix((ones, (np.concatenate(rows), columns)), shape).tocsr()

    def _rules(self) -> list[Even]:
        return [
            Even(self._components(slot), parts)
            for (slot, _), parts in self.parts.items()
            if slot in self._start
        ]

    def _ended(self) -> np.ndarray:
        """Whether each component ends in a product, so that no layer need read it."""
        ended = np.zeros(self._count, bool)
        for slot, channels in self.ends:
            ended[self._components(slot)[channels]] = True
        return ended

    def _unprunable(
        self, ordered: list[tuple[Hashable, Side]], made: np.ndarray, stay: np.ndarray, reasons
    ) -> dict[str, str]:
        """Why the first of the components (of `stay`) of each producer stays."""
        uneven: dict[int, str] = {}
        for slot, reason in self.parts:
            for component in self._components(slot) if slot in self._start else ():
                uneven.setdefault(component, reason)
        unprunable: dict[str, str] = {}
        for slot, (layer, _) in [ordered[i] for i in np.flatnonzero(made)]:
            own = self._components(slot)
            own = own[stay[own]]
            if len(own):
                first = own.min()
                why = uneven.get(first, 'no layer that can shrink reads it')
                unprunable[layer] = reasons[first] or why
        return unprunable

    def _groups(
        self,
        ordered: list[tuple[Hashable, Side]],
        made: np.ndarray,
        units: csr_matrix,
        used: np.ndarray,
        several: np.ndarray,
    ) -> tuple[Group, ...]:
        """One group per make-up of the units used, named after its first layer.

        A unit of several components that is alone of its make-up is none, for nothing would be left
        where it goes; it is struck off `used`.
        """
        vague = np.array([isinstance(o, Cut) and not o.attribute for _, (o, _) in ordered], bool)
        weights = np.random.default_rng(0).random(len(ordered))
        alike = units @ (weights * ~vague)  # equal sums are equal rows: the weights are random
        alike += (units > 0) @ (weights * vague)  # where no number is known any will do
        found = []
        for makeup in np.unique(alike[used]):
            members = np.flatnonzero(used & (alike == makeup))
            if len(members) == 1 and several[members[0]]:
                used[members] = False
                continue
            counts = units[members[0]].toarray()[0]
            root = np.flatnonzero(counts * made)[0]
            first = self._channels(ordered[root][0], members, counts[root])[:, 0]
            found.append((root, first.min(), members[np.argsort(first)], counts))
        groups = []
        taken: dict[str, int] = {}
        for root, _, members, counts in sorted(found, key=lambda one: one[:2]):
            name = ordered[root][1][0]
            taken[name] = taken.get(name, 0) + 1
            label = name if taken[name] == 1 else f'{name}#{taken[name]}'
            slices = []
            cuts = []
            for i in np.flatnonzero(counts):
                slot, (owner, side) = ordered[i]
                if side == 'cut':
                    cuts.append(replace(owner, channels=int(counts[i])))
                else:
                    index = torch.from_numpy(self._channels(slot, members, counts[i]))
                    slices.append(Slice(owner, side, index))
            groups.append(Group(label, len(members), tuple(slices), tuple(cuts)))
        return tuple(groups)

    def _channels(self, slot: Hashable, units: np.ndarray, count: int) -> np.ndarray:
        """The channels (units, count) of a slot in each of these units."""
        own = self._unit[self._components(slot)]
        order = np.argsort(own, kind='stable')
        start = np.searchsorted(own[order], units)
        return order[start[:, None] + np.arange(count)]


def _numbered(sets: list[np.ndarray], count: int) -> np.ndarray:
    """The set (count,) that each item is in, -1 where it is in none."""
    number = np.full(count, -1)
    if sets:
        number[np.concatenate(sets)] = np.repeat(np.arange(len(sets)), [len(one) for one in sets])
    return number


def _joined(number: np.ndarray, sets: int) -> csr_matrix:
    """(sets, items), one where an item is in a set."""
    items = np.flatnonzero(number >= 0)
    ones = np.ones(len(items), int)
    return csr_matrix((ones, (number[items], items)), shape=(sets, len(number)))
