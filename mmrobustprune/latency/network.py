"""The latency of a traced network as a function of the units that each group keeps."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
from torch import Tensor, nn

from mmrobustprune.copies import copied
from mmrobustprune.dependency.groups import Group, Trace, find_layer, halves
from mmrobustprune.dependency.kinds import produces
from mmrobustprune.dependency.recording import Forward
from mmrobustprune.masks import MaskSet
from mmrobustprune.structure.rebuild import rebuild

from .blocks import TimedBlock, record_blocks
from .problem import Factor, Problem, refuse_many
from .table import LatencyTable

Parts = tuple[tuple[str, int], ...]  # (group, channels per unit)


@dataclass(frozen=True, eq=False)
class Network:
    """A network's blocks, and which groups their widths follow.

    Attributes:
        blocks: every call of a layer, in order.
        units: group -> units of the dense network.
        parts: (layer, side) -> the groups that the width of this side depends on:
            width = dense - sum (units_g - kept_g) k_g.
        groups: the groups themselves.
    """

    blocks: tuple[TimedBlock, ...]
    units: dict[str, int]
    parts: dict[tuple[str, str], Parts] = field(default_factory=dict)
    groups: tuple[Group, ...] = ()

    @classmethod
    def read(
        cls,
        model: nn.Module,
        trace: Trace | Iterable[Group],
        example: Any,
        forward: Forward | None = None,
    ) -> Network:
        """Record a model's blocks on an example, whose batch is the table's.

        Raises:
            ValueError: the forward fails, or the time of a layer that can be pruned cannot be told.
        """
        groups = trace.groups if isinstance(trace, Trace) else tuple(trace)
        blocks = record_blocks(model, example, forward)
        parts: dict[tuple[str, str], Parts] = {}
        for group in groups:
            for part in group.slices:
                at = part.layer, part.side
                parts[at] = (*parts.get(at, ()), (group.name, part.index.shape[1]))
        known = {block.name for block in blocks}
        for layer, _ in parts:
            if layer not in known and produces(find_layer(model, layer)):
                raise ValueError(
                    f"the time of '{layer}' cannot be tabulated: it did not run as a convolution "
                    'or linear layer of its own in the forward pass; keep its width by ignore.'
                )
        return cls(blocks, {group.name: group.units for group in groups}, parts, groups)

    def sides(self, block: TimedBlock) -> tuple[tuple[int, Parts], tuple[int, Parts]]:
        """(dense width, groups) of a block's input and output.

        A depthwise convolution counts as one input.
        """
        outputs = (block.outputs, self.parts.get((block.name, 'out'), ()))
        if block.signature.depthwise:
            return (1, ()), outputs
        return (block.inputs, self.parts.get((block.name, 'in'), ())), outputs

    @cached_property
    def changing(self) -> tuple[TimedBlock, ...]:
        """The blocks whose width can change; the time of all others is a part of the constant."""
        return tuple(block for block in self.blocks if self._can_change(block))

    def _can_change(self, block: TimedBlock) -> bool:
        return any(parts for _, parts in self.sides(block))

    def widths(self, side: tuple[int, Parts], kept: Mapping[str, Any]) -> Any:
        """Width of a side with `kept` units per group, numbers or arrays; others are dense."""
        width, parts = side
        for name, k in parts:
            width = width - k * (self.units[name] - kept.get(name, self.units[name]))
        return width

    @property
    def half(self) -> dict[str, Tensor]:
        """Every second unit of each group, bool (units,)."""
        return halves(self.groups)

    def halved(self, model: nn.Module) -> nn.Module:
        """A copy of the model that keeps `half` of its units."""
        small = copied(model)
        masks = MaskSet(small, self.groups)
        masks.remove(self.half)
        return rebuild(small, masks.structure('half'))

    @property
    def half_fingerprint(self) -> str:
        """What a table calls the network with `half` of its units."""
        return f'{self.fingerprint}/2'

    @cached_property
    def fingerprint(self) -> str:
        """Short hash of all blocks with their dense widths, and of the groups (for the half)."""
        text = '\n'.join(
            f'{block.name} {block.inputs} {block.outputs} {block.signature.key}'
            for block in self.blocks
        )
        groups = []
        for group in self.groups:
            parts = [(part.layer, part.side, part.index.tolist()) for part in group.slices]
            groups.append((group.name, group.units, parts))
        text += repr(groups)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


class LatencyModel:
    """Milliseconds of a network for any kept units, from measured blocks.

    ms(kept) = constant + factor * sum over blocks of table(inputs, outputs). Both numbers are such
    that the network with all its units and the one with half of each group's come out as measured:
    inside a network a block takes longer than alone, as the others' weights and activations pass
    through the caches. The constant, all that does not shrink, is at least 0; where the half took
    no less time, so does every other size (factor 0).

    Args:
        network: its blocks.
        table: their times.
    Raises:
        ValueError: the table lacks the network, its half, or one of its blocks.

    Attributes:
        dense: milliseconds of the dense network.
        factor, constant: of the formula.
    """

    def __init__(self, network: Network, table: LatencyTable):
        self.network = network
        self.table = table
        half_key = network.half_fingerprint if network.changing else network.fingerprint
        if not table.networks.keys() >= {network.fingerprint, half_key}:
            raise ValueError(
                'the latency table lacks this network as a whole; measure it first, or allow '
                'measuring.'
            )
        self.dense = table.whole_ms(network.fingerprint)
        half = table.whole_ms(half_key)
        self.factor = 1.0
        blocks = self._blocks({})
        halved = self._blocks(_counts(network.half))
        if blocks > halved:
            self.factor = min(max(self.dense - half, 0.0) / (blocks - halved), self.dense / blocks)
        elif blocks > 0:
            self.factor = min(1.0, self.dense / blocks)
        self.constant = self.dense - self.factor * blocks

    def _blocks(self, kept: Mapping[str, int]) -> float:
        return sum(float(self._time(block, kept)) for block in self.network.changing)

    def _time(self, block: TimedBlock, kept: Mapping[str, Any]) -> np.ndarray:
        inputs, outputs = (self.network.widths(side, kept) for side in self.network.sides(block))
        return self._ms(block, inputs, outputs)

    def _ms(self, block: TimedBlock, inputs: Any, outputs: Any) -> np.ndarray:
        return self.factor * self.table.ms(block.signature.key, inputs, outputs)

    def predict(self, alive: Mapping[str, Tensor | int]) -> float:
        """Milliseconds with these units alive, a mask or a number per group; others are dense."""
        return self.constant + self._blocks(_counts(alive))

    def changes(
        self, levels: Mapping[str, np.ndarray], kept: Mapping[str, int]
    ) -> dict[str, np.ndarray]:
        """Milliseconds that each level adds to the layers that make a group's channels.

        Args:
            levels: numbers of units of each group.
            kept: units of each group at which the inputs stay.
        """
        found = {name: np.zeros(len(level)) for name, level in levels.items()}
        for block in self.network.changing:
            inputs, outputs = self.network.sides(block)
            for name, _ in outputs[1]:
                wide = self.network.widths(outputs, {**kept, name: levels[name]})
                now = self.network.widths(outputs, kept)
                times = self._ms(block, self.network.widths(inputs, kept), np.append(wide, now))
                found[name] += times[:-1] - times[-1]
        return found

    def factors(self, levels: Mapping[str, np.ndarray]) -> tuple[Factor, ...]:
        """One table per set of groups, over their `levels` (kept units, ascending)."""
        tables: dict[tuple[str, ...], np.ndarray] = {}
        for block in self.network.changing:
            inputs, outputs = self.network.sides(block)
            names = tuple(sorted({name for name, _ in (*inputs[1], *outputs[1])}))
            refuse_many(names[0] if names else '', prod(len(levels[name]) for name in names))
            axes = np.meshgrid(*(levels[name] for name in names), indexing='ij')
            kept = dict(zip(names, axes, strict=True))
            tables[names] = tables.get(names, 0) + self._time(block, kept)
        return tuple(Factor(names, ms) for names, ms in tables.items())

    def problem(
        self, levels: Mapping[str, np.ndarray], values: Mapping[str, np.ndarray]
    ) -> Problem:
        """Choose one of the `levels` of every group, worth `values`."""
        return Problem(dict(values), self.factors(levels), self.constant)


def _counts(alive: Mapping[str, Tensor | int]) -> dict[str, int]:
    return {
        name: int(units if isinstance(units, int) else units.sum()) for name, units in alive.items()
    }
