"""What is left of a network's parameters and MACs when units go, without doing any surgery."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor, nn

from mmrobustprune.dependency.groups import Group, find_layer, loose_parameters, width
from mmrobustprune.dependency.kinds import kind_of, makes, weight_of, weights_used


@dataclass(frozen=True)
class _Layer:
    name: str
    sides: dict[str, int]  # side -> dense width
    weights: int  # that multiply at every position
    own: int  # other parameters per output: bias, scale and shift
    uses: float  # positions at which every weight multiplies, on average
    counts: int  # tensors of the weight's shape; 0 where it is shared with a layer counted before

    @property
    def fan(self) -> int:
        """Weights per pair of an output and an input."""
        return self.weights // math.prod(self.sides.values())


class CostModel:
    """Channels, parameters and MACs as exact functions of the alive units of each group.

    params = rest + sum_l out_l (in_l fan_l + own_l) and MACs = sum_l out_l in_l fan_l positions_l
    with the kept widths out_l and in_l (in_l = 1 for depthwise convolutions, those that lose whole
    groups, and normalisations), fan_l the dense weights per pair of channels, and the positions of
    `Trace.shapes`. MACs are those of convolutions and linear layers, for the
    traced input. Shared parameters count once; a layer that runs several times multiplies in each.
    Layers whose class says `fixed = True` count nothing, as in `count`.

    Args:
        model: the dense network.
        groups: its groups of channels.
        shapes: `Trace.shapes`; without them there are no MACs.
    """

    def __init__(
        self, model: nn.Module, groups: Iterable[Group], shapes: dict[str, float] | None = None
    ):
        self.groups = tuple(groups)
        self._parts: dict[tuple[str, str], list[tuple[str, int, int]]] = {}
        for group in self.groups:
            for part in group.slices:
                self._parts.setdefault((part.layer, part.side), []).append(
                    (group.name, group.units, part.index.shape[1])
                )
        makers = [name for name, module in model.named_modules() if makes(module)]
        others = sorted({layer for layer, _ in self._parts} - set(makers))
        seen: set[int] = set()
        self._layers = [
            self._layer(model, name, (shapes or {}).get(name, 0), seen) for name in makers + others
        ]
        self._rest = sum(p.numel() for p in model.parameters() if id(p) not in seen)
        self.dense = self.count({})
        self._shares: dict[str, dict[str, float]] = {}

    @staticmethod
    def _layer(model: nn.Module, name: str, uses: float, seen: set[int]) -> _Layer:
        layer = find_layer(model, name)
        kind = kind_of(layer)  # None for what stays as it is
        sides = {side: width(model, name, side) for side in (kind.dims if kind else ())}
        weight = weight_of(layer) if makes(layer) else None
        owned = _owned(layer)
        new = [p for p in owned if id(p) not in seen]
        seen |= {id(p) for p in owned}
        like = [] if weight is None else [p for p in new if p.shape == weight.shape]
        others = sum(p.numel() for p in new) - sum(p.numel() for p in like)
        return _Layer(
            name,
            sides,
            weights=weights_used(layer),
            own=others // sides.get('out', 1),
            uses=uses,
            counts=len(like),
        )

    def per_layer(self, alive: dict[str, Tensor | int]) -> dict[str, dict[str, int]]:
        """out, in, params and MACs of each layer; groups that `alive` leaves out are dense."""
        counts = {
            name: int(units if isinstance(units, int) else units.sum())
            for name, units in alive.items()
        }
        return {layer.name: self._row(layer, counts) for layer in self._layers}

    def _row(self, layer: _Layer, counts: dict[str, int]) -> dict[str, int]:
        kept = {}
        for side, dense in layer.sides.items():
            parts = self._parts.get((layer.name, side), ())
            lost = (k * (units - counts.get(group, units)) for group, units, k in parts)
            kept[side] = dense - sum(lost)
        pairs = math.prod(layer.sides.values())  # of a grouped convolution: n times its own
        weights = layer.weights * math.prod(kept.values()) // pairs
        return dict(
            kept,
            params=weights * layer.counts + kept.get('out', 1) * layer.own,
            macs=round(weights * layer.uses),
        )

    def unit_shares(self, kind: str) -> dict[str, float]:
        """The fraction of the dense 'channels', 'params' or 'macs' in a unit of each group.

        It is what the first unit to go takes along, 0 where the network has none of it.
        """
        if kind not in self._shares:
            self._shares[kind] = self._unit_shares(kind)
        return self._shares[kind]

    def _unit_shares(self, kind: str) -> dict[str, float]:
        total = self.dense[kind] or 1
        if kind == 'channels':
            return {group.name: 1 / total for group in self.groups}
        layers = {layer.name: layer for layer in self._layers}
        shares = {}
        for group in self.groups:
            fewer = {group.name: group.units - 1}
            names = {part.layer for part in group.slices}
            touched = [layers[name] for name in names]
            lost = (self._row(one, {})[kind] - self._row(one, fewer)[kind] for one in touched)
            shares[group.name] = sum(lost) / total
        return shares

    def makeup(self, group: Group) -> tuple:
        """What a group's units are made of, whatever its widths; alike groups have the same."""
        layers = {layer.name: layer for layer in self._layers}
        parts = ((layers[part.layer], part) for part in group.slices)
        return tuple(
            sorted((*sorted(one.sides), one.fan, p.side, p.index.shape[1]) for one, p in parts)
        )

    def count(self, alive: dict[str, Tensor | int]) -> dict[str, int]:
        """Totals: 'channels' (alive units), 'params' and 'macs'."""
        rows = self.per_layer(alive).values()
        units = (alive.get(group.name, group.units) for group in self.groups)
        return dict(
            channels=sum(int(u if isinstance(u, int) else u.sum()) for u in units),
            params=self._rest + sum(row['params'] for row in rows),
            macs=sum(row['macs'] for row in rows),
        )

    def removed(self, alive: dict[str, Tensor | int]) -> dict[str, float]:
        """The removed fraction of each total."""
        left = self.count(alive)
        fractions = {}
        for kind, total in self.dense.items():
            fractions[kind] = 1 - left[kind] / total if total else 0.0
        return fractions


def _owned(layer: nn.Module | nn.Parameter) -> list[nn.Parameter]:
    """The parameters that go with a layer's channels."""
    if isinstance(layer, nn.Parameter):
        return [layer]
    loose = {name for name, _ in loose_parameters(layer)} if kind_of(layer) is not None else ()
    return [value for name, value in layer.named_parameters(recurse=False) if name not in loose]
