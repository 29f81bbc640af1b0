"""Channels tied to one another -> groups of units."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

import numpy as np
import torch
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from .groups import Group, Slice

Side = tuple[str, str]  # (layer name, 'out' | 'in')


class Coupling:
    """Slots (tensor sides and operations) of known width, with links between their channels."""

    def __init__(self):
        self.widths: dict[Hashable, int] = {}
        self.reasons: dict[Hashable, str] = {}  # slot -> why its channels all stay
        self.links: list[tuple[Hashable, np.ndarray, Hashable, np.ndarray]] = []

    def keep(self, slot: Hashable, reason: str) -> None:
        """Every channel that is tied to this slot stays; the first reason given counts."""
        self.reasons.setdefault(slot, reason)

    def link(self, a: Hashable, of_a: np.ndarray, b: Hashable, of_b: np.ndarray) -> None:
        """Channel ``of_a[i]`` of slot a goes when channel ``of_b[i]`` of slot b goes."""
        self.links.append((a, of_a, b, of_b))

    def solve(
        self, sides: dict[Hashable, Side], producers: set[str], order: Iterable[str]
    ) -> tuple[tuple[Group, ...], dict[str, str]]:
        """Groups of the channels on the given sides, and why each other producer stays whole.

        A unit is a connected component of channels with a producer's output and a consumer's input
        in it and no reason to stay; units of the same make-up form one group.
        """
        start, total = {}, 0
        for slot, size in self.widths.items():
            start[slot], total = total, total + size
        ends = [(start[a] + i, start[b] + j) for a, i, b, j in self.links]
        rows, cols = (
            (np.concatenate([np.zeros(0, int), *part]) for part in zip(*ends, strict=True))
            if ends
            else (np.zeros(0, int),) * 2
        )
        graph = coo_matrix((np.ones(len(rows), bool), (rows, cols)), shape=(total, total))
        count, label = connected_components(graph, directed=False)

        why = np.full(count, None, object)
        for slot, reason in self.reasons.items():
            if slot in start:
                own = label[start[slot] : start[slot] + self.widths[slot]]
                why[own[why[own] == None]] = reason  # noqa: E711 (elementwise)
        members: list[dict[Side, list[int]]] = [{} for _ in range(count)]
        rank = {name: i for i, name in enumerate(order)}
        for slot, side in sorted(
            sides.items(), key=lambda item: (item[1][1] == 'in', rank[item[1][0]])
        ):
            own = label[start[slot] : start[slot] + self.widths[slot]]
            for channel, component in enumerate(own):
                members[component].setdefault(side, []).append(channel)

        makeups: dict[tuple, list[dict[Side, list[int]]]] = {}
        unprunable: dict[str, str] = {}
        for unit, reason in zip(members, why, strict=True):
            made = [layer for layer, side in unit if side == 'out' and layer in producers]
            if reason is None and not any(side == 'in' for _, side in unit):
                reason = 'no layer that can shrink reads it'
            if reason is None and made:
                makeup = tuple((side, len(channels)) for side, channels in unit.items())
                makeups.setdefault(makeup, []).append(unit)
            for layer in made if reason is not None else ():
                unprunable.setdefault(layer, reason)
        roots = {
            makeup: next(side for side, _ in makeup if side[1] == 'out' and side[0] in producers)
            for makeup in makeups
        }
        groups, taken = [], {}
        for makeup in sorted(makeups, key=lambda m: (rank[roots[m][0]], makeups[m][0][roots[m]])):
            root, units = roots[makeup], makeups[makeup]
            units.sort(key=lambda unit: unit[root])
            taken[root[0]] = taken.get(root[0], 0) + 1
            label = root[0] if taken[root[0]] == 1 else f'{root[0]}#{taken[root[0]]}'
            groups.append(
                Group(
                    label,
                    len(units),
                    tuple(
                        Slice(*side, torch.tensor([unit[side] for unit in units]))
                        for side, _ in makeup
                    ),
                )
            )
        pruned = {part.layer for group in groups for part in group.slices if part.side == 'out'}
        return tuple(groups), {
            layer: why for layer, why in unprunable.items() if layer not in pruned
        }
