"""What is left of a network's parameters and MACs when units go, without doing any surgery."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor, nn

from mmrobustprune.dependency.groups import Group, find_layer, width
from mmrobustprune.dependency.kinds import kind_of, produces, weights_used


@dataclass(frozen=True)
class _Layer:
    name: str
    sides: dict[str, int]  # side -> dense width
    weights: int  # that multiply at every position
    own: int  # other parameters per output: bias, scale and shift
    uses: int  # positions at which every weight multiplies
    counts: bool  # False where the weight is shared with a layer counted before


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
        self, model: nn.Module, groups: Iterable[Group], shapes: dict[str, int] | None = None
    ):
        self.groups = tuple(groups)
        self._parts: dict[tuple[str, str], list[tuple[str, int, int]]] = {}
        for group in self.groups:
            for part in group.slices:
                self._parts.setdefault((part.layer, part.side), []).append(
                    (group.name, group.units, part.index.shape[1])
                )
        makers = [name for name, module in model.named_modules() if produces(module)]
        others = sorted({layer for layer, _ in self._parts} - set(makers))
        seen: set[int] = set()
        self._layers = [
            self._layer(model, name, (shapes or {}).get(name, 0), seen) for name in makers + others
        ]
        self._rest = sum(p.numel() for p in model.parameters() if id(p) not in seen)
        self.dense = self.count({})

    @staticmethod
    def _layer(model: nn.Module, name: str, uses: int, seen: set[int]) -> _Layer:
        layer = find_layer(model, name)
        kind = kind_of(layer)  # None for what stays as it is
        sides = {side: width(model, name, side) for side in (kind.dims if kind else ())}
        weight = layer.weight if produces(layer) else None
        bare = isinstance(layer, nn.Parameter)
        owned = [layer] if bare else list(layer.parameters(recurse=False))
        new = [p for p in owned if id(p) not in seen]
        seen |= {id(p) for p in owned}
        others = sum(p.numel() for p in new if p is not weight)
        return _Layer(
            name,
            sides,
            weights=weights_used(layer),
            own=others // sides.get('out', 1),
            uses=uses,
            counts=any(p is weight for p in new),
        )

    def per_layer(self, alive: dict[str, Tensor | int]) -> dict[str, dict[str, int]]:
        """out, in, params and MACs of each layer; groups that `alive` leaves out are dense."""
        counts = {
            name: int(units if isinstance(units, int) else units.sum())
            for name, units in alive.items()
        }
        rows = {}
        for layer in self._layers:
            kept = {}
            for side, dense in layer.sides.items():
                parts = self._parts.get((layer.name, side), ())
                lost = (k * (units - counts.get(group, units)) for group, units, k in parts)
                kept[side] = dense - sum(lost)
            pairs = math.prod(layer.sides.values())  # of a grouped convolution: n times its own
            weights = layer.weights * math.prod(kept.values()) // pairs
            rows[layer.name] = dict(
                kept,
                params=weights * layer.counts + kept.get('out', 1) * layer.own,
                macs=weights * layer.uses,
            )
        return rows

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
