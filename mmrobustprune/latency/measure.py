"""Measuring a latency table: first a coarse grid of widths, then more of it where interpolation errs most."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from mmrobustprune.cost.timing import Timing, stamp, time_call
from mmrobustprune.dependency.recording import Forward, default_forward, tensors_in
from mmrobustprune.flags import flags_restored

from .blocks import Signature, callable_block
from .network import Network
from .table import LatencyTable, TimingGrid

SAVE_EVERY = 5.0  # seconds
Stopwatch = Callable[[Signature, int, int], Timing]


@dataclass
class _Kind:
    """All blocks of one signature: how often it runs, and between which widths."""

    signature: Signature
    count: int = 0
    low: list[int] = field(default_factory=lambda: [2**31, 2**31])
    high: list[int] = field(default_factory=lambda: [0, 0])


def stamp_of(model: nn.Module, example: Any) -> dict[str, Any]:
    """The stamp of a table for this model and this example: its device, precision and batch."""
    parameter, inputs = next(model.parameters()), tensors_in(example)
    return stamp(parameter.device, inputs[0].shape[0] if inputs else 0, parameter.dtype)


def measure_table(
    table: LatencyTable,
    network: Network,
    model: nn.Module,
    example: Any,
    forward: Forward | None = None,
    step: int = 8,
    points: int = 4,
    tolerance: float = 0.002,
    seconds: float = 300.0,
    progress: bool = True,
    stopwatch: Stopwatch | None = None,
) -> LatencyTable:
    """Measure what a table lacks of a network, and nothing else.

    Every kind of block gets a grid of `points` widths per side between `step` (all widths are multiples of it, or the dense
    width), or half the units where these are fewer, and the dense one, halving from the top. Then the centres of its cells are
    measured; where their interpolation is off by more than `tolerance` of the network's time, counted over all blocks of the
    kind, the grid is split there, the largest error first, until none is left or `seconds` are over, those of earlier calls
    for this network included. The file is written every few seconds and when anything interrupts. `stopwatch` replaces the
    measuring of a block. Raises
    ValueError where a call takes `seconds` without completing the coarse grid; what was measured is kept and the next call
    goes on.
    """
    run = _Run(
        table,
        network,
        step,
        points,
        seconds,
        progress,
        stopwatch or _stopwatch(table, next(model.parameters())),
    )
    try:
        run.whole(model, example, forward or default_forward)
        run.coarse()
        run.refine(tolerance)
    finally:
        run.bar.close()
        run.save()
    return table


def measure_whole(
    model: nn.Module,
    example: Any,
    forward: Forward | None = None,
    warmup: int = 5,
    repeats: int = 50,
    seconds: float = 20.0,
    clock: str | None = None,
) -> Timing:
    """Time one forward pass in evaluation mode, on the device and with the threads of the moment."""
    forward, parameter = forward or default_forward, next(model.parameters())
    with flags_restored(model):
        model.eval()
        return time_call(
            lambda: forward(model, example),
            parameter.device,
            warmup,
            repeats,
            seconds,
            clock=clock or stamp_of(model, example)['clock'],
        )


def _stopwatch(table: LatencyTable, like: torch.Tensor) -> Stopwatch:
    batch, clock, evict = (table.stamp[key] for key in ('batch', 'clock', 'evict'))

    def watch(signature: Signature, inputs: int, outputs: int) -> Timing:
        with torch.no_grad():
            block = callable_block(signature, inputs, outputs, batch, like.device, like.dtype)
        return time_call(
            block, like.device, warmup=2, repeats=40, seconds=0.1, least=5, clock=clock, evict=evict
        )

    return watch


class _Run:
    """One call of `measure_table`."""

    def __init__(
        self,
        table: LatencyTable,
        network: Network,
        step: int,
        points: int,
        seconds: float,
        progress: bool,
        stopwatch: Stopwatch,
    ):
        if step < 1 or points < 2:
            raise ValueError(
                f'step={step} and points={points}: step is a number of channels of at least 1, and a side needs '
                'at least 2 points.'
            )
        self.table, self.network, self.step, self.points, self.stopwatch = (
            table,
            network,
            step,
            points,
            stopwatch,
        )
        self.began = self.saved = time.monotonic()
        self.before, self.seconds = table.spent.get(network.fingerprint, 0.0), seconds
        self.end = self.began + seconds
        self.kinds: dict[str, _Kind] = {}
        half = {
            name: int(units.sum()) for name, units in network.half.items()
        }  # inside the grid, too
        for block in network.changing:
            kind = self.kinds.setdefault(block.signature.key, _Kind(block.signature))
            kind.count += 1
            for i, (dense, parts) in enumerate(network.sides(block)):
                least = dense - sum(
                    (network.units[name] - min(step, half[name])) * k for name, k in parts
                )
                kind.low[i], kind.high[i] = min(kind.low[i], least), max(kind.high[i], dense)
        self.bar = tqdm(desc='latency table', unit='block', disable=not progress, total=0)

    def whole(self, model: nn.Module, example: Any, forward: Forward) -> None:
        """The dense network and the one with half its units, together, unless the table knows both."""
        network, known = self.network, self.table.networks
        models = {network.fingerprint: lambda: model}
        if network.changing:
            models[network.half_fingerprint] = lambda: network.halved(model)
        if not known.keys() >= models.keys():
            known |= {
                key: measure_whole(build(), example, forward) for key, build in models.items()
            }

    def coarse(self) -> None:
        """The first grid of every kind."""
        wanted = {
            key: tuple(
                tuple(sorted({*axis, *self._halving(low, high)}))
                for axis, low, high in zip(
                    (self._grid(key).inputs, self._grid(key).outputs),
                    kind.low,
                    kind.high,
                    strict=True,
                )
            )
            for key, kind in self.kinds.items()
        }
        self.bar.total = sum(len(self._grid(key).lacking(*axes)) for key, axes in wanted.items())
        self.bar.refresh()
        for key, axes in wanted.items():
            for at in self._grid(key).lacking(*axes):
                if time.monotonic() > self.end:
                    raise ValueError(
                        f'the time is over with {self.bar.n} of {self.bar.total} entries of the latency table; '
                        'they are kept, start again to go on, or allow more seconds or fewer points.'
                    )
                self._measure(key, at)
            self._grid(key).accept(*axes)

    def refine(self, tolerance: float) -> None:
        """Split the grids where they err most."""
        self.end = self.began + self.seconds - self.before
        allowed = tolerance * getattr(
            self.table.networks[self.network.fingerprint], self.table.statistic
        )
        errors = {key: self._check(key) for key in self.kinds}
        while time.monotonic() < self.end:
            key = max(errors, key=lambda one: errors[one][0] * self.kinds[one].count, default=None)
            if key is None or errors[key][0] * self.kinds[key].count <= allowed:
                return
            grid, (_, at) = self._grid(key), errors[key]
            axes = tuple(
                tuple(sorted({*axis, width}))
                for axis, width in zip((grid.inputs, grid.outputs), at, strict=True)
            )
            lacking = grid.lacking(*axes)
            self._plan(len(lacking))
            for point in lacking:
                if time.monotonic() > self.end:
                    return
                self._measure(key, point)
            grid.accept(*axes)
            errors[key] = self._check(key)

    def _check(self, key: str) -> tuple[float, tuple[int, int]]:
        """The largest error of a grid in its cell centres, beyond what the timing itself is uncertain, and where."""
        grid, name, worst = self._grid(key), self.table.statistic, (0.0, (0, 0))
        if grid.inputs == grid.outputs == ():
            return worst
        centres = [
            (i, o)
            for i in self._middles(grid.inputs)
            for o in self._middles(grid.outputs)
            if not (i in grid.inputs and o in grid.outputs)
        ]
        lacking = [at for at in centres if at not in grid.entries]
        self._plan(len(lacking))
        for at in lacking:
            if time.monotonic() > self.end:
                break
            self._measure(key, at)
        errors = []
        for at in centres:
            if at in grid.entries:
                timing = grid.entries[at]
                off = abs(getattr(timing, name) - float(grid.interpolate(*map(np.array, at), name)))
                errors.append((off, at))
                if off - (timing.median - timing.p10) > worst[0]:
                    worst = off - (timing.median - timing.p10), at
        grid.error = max(errors, default=(None,))[0]
        return worst

    def _measure(self, key: str, at: tuple[int, int]) -> None:
        self.table.add(key, at, self.stopwatch(self.kinds[key].signature, *at))
        self.bar.update()
        if time.monotonic() - self.saved > SAVE_EVERY:
            self.save()

    def save(self) -> None:
        """Write the table, with the time that this network took."""
        self.saved = time.monotonic()
        self.table.spent[self.network.fingerprint] = self.before + self.saved - self.began
        self.table.save()

    def _plan(self, more: int) -> None:
        if more:
            self.bar.total += more
            self.bar.refresh()

    def _grid(self, key: str) -> TimingGrid:
        return self.table.grids.setdefault(key, TimingGrid())

    def _halving(self, low: int, high: int) -> list[int]:
        """`points` widths from low to high, each about half of the next, multiples of the step in between."""
        axis = {low, high}
        width = high
        while len(axis) < self.points and low < self._snap(width / 2) < width:
            width = self._snap(width / 2)
            axis.add(width)
        return sorted(axis)

    def _middles(self, axis: tuple[int, ...]) -> list[int]:
        """A multiple of the step inside every interval of an axis that has one; the axis itself where it is one width."""
        middles = [
            self._snap((low + high) / 2) for low, high in zip(axis[:-1], axis[1:], strict=True)
        ]
        inside = [
            m for m, low, high in zip(middles, axis[:-1], axis[1:], strict=True) if low < m < high
        ]
        return inside or list(axis[-1:])

    def _snap(self, width: float) -> int:
        return max(round(width / self.step), 1) * self.step
