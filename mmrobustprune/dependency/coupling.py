"""Channels tied to one another -> groups of units."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

import numpy as np
import torch
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from .groups import Group, Slice

Side = tuple[str, str]  # (layer name, 'out' | 'in')
Unit = dict[Side, list[int]]  # the channels of each side that go together


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
        reasons = self._reasons()
        makeups: dict[tuple, list[Unit]] = {}
        unprunable: dict[str, str] = {}
        ended = np.zeros(self._count, bool)
        for slot, channels in self.ends:
            ended[self._components(slot)[channels]] = True
        for unit, reason, end in zip(self._units(sides, rank), reasons, ended, strict=True):
            made = [layer for layer, side in unit if side == 'out' and layer in producers]
            read = end or any(side == 'in' for _, side in unit)
            if reason is None and not read:
                reason = 'no layer that can shrink reads it'
            if reason is None and made:
                makeup = tuple((side, len(channels)) for side, channels in unit.items())
                makeups.setdefault(makeup, []).append(unit)
            if reason is not None:
                for layer in made:
                    unprunable.setdefault(layer, reason)
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

    def _units(self, sides: dict[Hashable, Side], rank: dict[str, int]) -> list[Unit]:
        """The channels of each component, outputs first, in the order of the layers."""
        units: list[Unit] = [{} for _ in range(self._count)]
        ordered = sorted(sides.items(), key=lambda item: (item[1][1] == 'in', rank[item[1][0]]))
        for slot, side in ordered:
            for channel, component in enumerate(self._components(slot)):
                units[component].setdefault(side, []).append(channel)
        return units


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
        for side, _ in makeup:
            index = torch.tensor([unit[side] for unit in units])
            slices.append(Slice(*side, index))
        groups.append(Group(label, len(units), tuple(slices)))
    return tuple(groups)
