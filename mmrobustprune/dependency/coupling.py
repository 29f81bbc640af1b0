"""Channels tied to one another -> groups of units."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

import numpy as np
import torch
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import connected_components

from .groups import Group, Slice

Side = tuple[str, str]  # (layer name, 'out' | 'in')


class Coupling:
    """Slots (tensor sides and operations) of known width, with links between their channels."""

    def __init__(self):
        self.widths: dict[Hashable, int] = {}
        self.reasons: dict[Hashable, str] = {}  # slot -> why its channels all stay
        self.links: list[tuple[Hashable, np.ndarray, Hashable, np.ndarray]] = []
        self.ends: list[tuple[Hashable, np.ndarray]] = []

    def keep(self, slot: Hashable, reason: str) -> None:
        """Every channel that is tied to this slot stays; the first reason given counts."""
        self.reasons.setdefault(slot, reason)

    def link(self, a: Hashable, of_a: np.ndarray, b: Hashable, of_b: np.ndarray) -> None:
        """Channel `of_a[i]` of slot a goes when channel `of_b[i]` of slot b goes."""
        self.links.append((a, of_a, b, of_b))

    def end(self, slot: Hashable, channels: np.ndarray) -> None:
        """No layer need read these channels and what is tied to them: they end in a product."""
        self.ends.append((slot, channels))

    def solve(
        self, sides: dict[Hashable, Side], producers: set[str], order: Iterable[str]
    ) -> tuple[tuple[Group, ...], dict[str, str]]:
        """Groups of the channels on the given sides, and why each other producer is unprunable.

        A unit is a connected component of channels with a producer's output and a consumer's input
        in it and no reason to stay; units of the same make-up form one group.

        Args:
            sides: slot -> the side of a layer that it stands for.
            producers: layers that make channels of their own.
            order: names of all layers, first to last.
        """
        self._number_channels()
        rank = {name: i for i, name in enumerate(order)}
        ordered = sorted(sides.items(), key=lambda item: (item[1][1] == 'in', rank[item[1][0]]))
        parts = [side for _, side in ordered]
        made = np.array([side == 'out' and layer in producers for layer, side in parts], bool)
        read = np.array([side == 'in' for _, side in parts], bool)
        table = self._table([slot for slot, _ in ordered])
        reasons = self._reasons()
        ended = np.zeros(self._count, bool)
        for slot, channels in self.ends:
            ended[self._components(slot)[channels]] = True
        lonely = (reasons == None) & (table @ read == 0) & ~ended  # noqa: E711 (elementwise)
        reasons[lonely] = 'no layer that can shrink reads it'
        free = (reasons == None) & (table @ made > 0)  # noqa: E711
        unprunable: dict[str, str] = {}
        for (slot, (layer, _)), makes in zip(ordered, made, strict=True):
            own = self._components(slot)
            stay = own[reasons[own] != None]  # noqa: E711
            if makes and len(stay):
                unprunable[layer] = reasons[stay.min()]
        groups = self._groups(ordered, made, table, free)
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

    def _table(self, slots: list[Hashable]) -> csr_matrix:
        """How many channels of each slot are in each component (components, slots)."""
        rows = [np.zeros(0, int)] + [self._components(slot) for slot in slots]
        columns = np.repeat(np.arange(len(slots)), [self.widths[slot] for slot in slots])
        shape = (self._count, len(slots))
        ones = np.ones(len(columns), int)
        return coo_matrix((ones, (np.concatenate(rows), columns)), shape).tocsr()

    def _groups(
        self, ordered: list[tuple[Hashable, Side]], made: np.ndarray, table: csr_matrix, free
    ) -> tuple[Group, ...]:
        """One group per make-up of free components, named after its first layer."""
        components = np.flatnonzero(free)
        weights = np.random.default_rng(0).random(table.shape[1])
        makeup = table[components] @ weights  # equal sums are equal rows: the weights are random
        found = []
        for alike in np.unique(makeup):
            units = components[makeup == alike]
            counts = table[units[0]].toarray()[0]
            root = np.flatnonzero(counts * made)[0]
            first = self._channels(ordered[root][0], units, counts[root])[:, 0]
            found.append((root, first.min(), units[np.argsort(first)], counts))
        groups = []
        taken: dict[str, int] = {}
        for root, _, units, counts in sorted(found, key=lambda one: one[:2]):
            name = ordered[root][1][0]
            taken[name] = taken.get(name, 0) + 1
            label = name if taken[name] == 1 else f'{name}#{taken[name]}'
            slices = []
            for i in np.flatnonzero(counts):
                slot, side = ordered[i]
                index = torch.from_numpy(self._channels(slot, units, counts[i]))
                slices.append(Slice(*side, index))
            groups.append(Group(label, len(units), tuple(slices)))
        return tuple(groups)

    def _channels(self, slot: Hashable, units: np.ndarray, count: int) -> np.ndarray:
        """The channels (units, count) of a slot in each of these components."""
        own = self._components(slot)
        order = np.argsort(own, kind='stable')
        start = np.searchsorted(own[order], units)
        return order[start[:, None] + np.arange(count)]
