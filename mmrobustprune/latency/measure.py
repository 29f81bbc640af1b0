"""Measuring a latency table: a coarse grid of widths, then more where interpolation errs most."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise, product
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
    parameter = next(model.parameters())
    inputs = tensors_in(example)
    return stamp(parameter.device, inputs[0].shape[0] if inputs else 0, parameter.dtype)


@dataclass(frozen=True)
class Measuring:
    """How finely a table is measured.

    Args:
        step: widths are multiples of it, or the dense width.
        points: widths per side of the first grid.
        tolerance: share of the network's time by which the interpolation of a kind of block, all
            its calls together, may be off.
        precision: a block is timed until the 95 % interval of its median reaches no further than
            this share of it to either side, at most 40 times; None: 40 times.
        seconds: how long it may take, earlier calls for the same network included.
        progress: whether to show a bar.
        stopwatch: replaces the measuring of a block.
    Raises:
        ValueError: a number out of its range.
    """

    step: int = 8
    points: int = 4
    tolerance: float = 0.002
    precision: float | None = 0.02
    seconds: float = 300.0
    progress: bool = True
    stopwatch: Stopwatch | None = None

    def __post_init__(self):
        if self.step < 1 or self.points < 2:
            raise ValueError(
                f'step={self.step} and points={self.points}: step is a number of channels of at '
                'least 1, and a side needs at least 2 points.'
            )
        if self.precision is not None and not 0 < self.precision < 1:
            raise ValueError(
                f'precision={self.precision} is no share in (0, 1); give 0.02, or None to time '
                'each block 40 times.'
            )


def measure_table(
    table: LatencyTable,
    network: Network,
    model: nn.Module,
    example: Any,
    forward: Forward | None = None,
    **options: Any,
) -> LatencyTable:
    """Measure what a table lacks of a network, and nothing else.

    Every kind of block gets a grid of `points` widths per side between `step`, or half the units
    where these are fewer, and the dense width, halving from the top. Then the centres of its cells
    are measured; where their interpolation is off by more than `tolerance` the grid is split, the
    largest error first, until none is left or `seconds` are over. The file is written every few
    seconds and when anything interrupts.

    Args:
        table: is added to.
        network: its blocks.
        model: the network itself.
        example: one batch of inputs.
        forward: `forward(model, example)` runs it; by default the model is called.
        options: fields of `Measuring`.
    Raises:
        ValueError: the `seconds` are over without the coarse grid; what was measured is kept and
            the next call goes on.
    """
    run = _TableRun(table, network, Measuring(**options), next(model.parameters()))
    try:
        run.networks(model, example, forward or default_forward)
        run.coarse()
        run.refine()
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
    """Time one forward pass in evaluation mode, on the model's device with the threads of now.

    The other arguments are those of `time_call`; `clock` is by default the one of a table's stamp.
    """
    run = partial(forward or default_forward, model, example)
    with flags_restored(model):
        model.eval()
        return time_call(
            run,
            next(model.parameters()).device,
            warmup,
            repeats,
            seconds,
            clock=clock or stamp_of(model, example)['clock'],
        )


def stopwatch(table: LatencyTable, like: torch.Tensor, precision: float | None = None) -> Stopwatch:
    """Times blocks of random weights as a table's stamp says, at most 40 times or 0.1 seconds.

    Args:
        table: whose stamp it is.
        like: a tensor of the device and precision.
        precision: see `Measuring`.
    """
    batch, clock, evict = (table.stamp[key] for key in ('batch', 'clock', 'evict'))

    def watch(signature: Signature, inputs: int, outputs: int) -> Timing:
        with torch.no_grad():
            block = callable_block(signature, inputs, outputs, batch, like.device, like.dtype)
        return time_call(
            block,
            like.device,
            warmup=2,
            repeats=40,
            seconds=0.1,
            least=5,
            clock=clock,
            evict=evict,
            precision=precision,
        )

    return watch


class _TableRun:
    """One call of `measure_table`."""

    def __init__(
        self, table: LatencyTable, network: Network, measuring: Measuring, like: torch.Tensor
    ):
        self.table = table
        self.network = network
        self.measuring = measuring
        self.stopwatch = measuring.stopwatch or stopwatch(table, like, measuring.precision)
        self.began = self.saved = time.monotonic()
        self.before = table.spent.get(network.fingerprint, 0.0)
        self.end = self.began + measuring.seconds
        self.kinds: dict[str, _Kind] = {}
        half = {name: int(units.sum()) for name, units in network.half.items()}
        for block in network.changing:
            kind = self.kinds.setdefault(block.signature.key, _Kind(block.signature))
            kind.count += 1
            fewest = {name: min(measuring.step, units) for name, units in half.items()}
            for i, side in enumerate(network.sides(block)):
                kind.low[i] = min(kind.low[i], network.widths(side, fewest))
                kind.high[i] = max(kind.high[i], side[0])
        self.bar = tqdm(desc='latency table', unit='block', disable=not measuring.progress, total=0)

    def networks(self, model: nn.Module, example: Any, forward: Forward) -> None:
        """The dense network and that with half its units, together, unless the table knows both."""
        network = self.network
        known = self.table.networks
        keys = {network.fingerprint}
        if network.changing:
            keys.add(network.half_fingerprint)
        if known.keys() >= keys:
            return
        known[network.fingerprint] = measure_whole(model, example, forward)
        if network.changing:
            small = network.halved(model)
            known[network.half_fingerprint] = measure_whole(small, example, forward)

    def coarse(self) -> None:
        """The first grid of every kind."""
        wanted = {}
        for key, kind in self.kinds.items():
            grid = self._grid(key)
            inputs = {*grid.inputs, *self._halving(kind.low[0], kind.high[0])}
            outputs = {*grid.outputs, *self._halving(kind.low[1], kind.high[1])}
            wanted[key] = (tuple(sorted(inputs)), tuple(sorted(outputs)))
        self.bar.total = sum(len(self._grid(key).lacking(*axes)) for key, axes in wanted.items())
        self.bar.refresh()
        for key, axes in wanted.items():
            for at in self._grid(key).lacking(*axes):
                if time.monotonic() > self.end:
                    raise ValueError(
                        f'the time is over with {self.bar.n} of {self.bar.total} entries of the '
                        'latency table; they are kept, start again to go on, or allow more seconds '
                        'or fewer points.'
                    )
                self._measure(key, at)
            self._grid(key).accept(*axes)

    def refine(self) -> None:
        """Split the grids where they err most."""
        self.end = self.began + self.measuring.seconds - self.before
        allowed = self.measuring.tolerance * self.table.whole_ms(self.network.fingerprint)
        errors = {key: self._check(key) for key in self.kinds}
        while time.monotonic() < self.end:
            key = max(errors, key=lambda one: errors[one][0] * self.kinds[one].count, default=None)
            if key is None or errors[key][0] * self.kinds[key].count <= allowed:
                return
            grid = self._grid(key)
            _, (width_in, width_out) = errors[key]
            axes = ((*grid.inputs, width_in), (*grid.outputs, width_out))
            lacking = grid.lacking(*axes)
            self._plan(len(lacking))
            for point in lacking:
                if time.monotonic() > self.end:
                    return
                self._measure(key, point)
            grid.accept(*axes)
            errors[key] = self._check(key)

    def _check(self, key: str) -> tuple[float, tuple[int, int]]:
        """The largest error of a grid in its cell centres, and where.

        Only what is beyond the uncertainty of the timing itself counts.
        """
        grid = self._grid(key)
        name = self.table.statistic
        worst = (0.0, (0, 0))
        if grid.inputs == grid.outputs == ():
            return worst
        cells = product(self._middles(grid.inputs), self._middles(grid.outputs))
        corners = set(product(grid.inputs, grid.outputs))
        centres = [at for at in cells if at not in corners]
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
                off = abs(timing.of(name) - float(grid.interpolate(*map(np.array, at), name)))
                errors.append((off, at))
                certain = off - (timing.median - timing.p10)
                if certain > worst[0]:
                    worst = (certain, at)
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
        """`points` widths from low to high, each about half of the next.

        Those in between are multiples of the step.
        """
        axis = {low, high}
        width = high
        while len(axis) < self.measuring.points and low < self._snap(width / 2) < width:
            width = self._snap(width / 2)
            axis.add(width)
        return sorted(axis)

    def _middles(self, axis: tuple[int, ...]) -> list[int]:
        """A multiple of the step inside every interval of an axis that has one.

        The axis itself where it is one width.
        """
        inside = []
        for low, high in pairwise(axis):
            middle = self._snap((low + high) / 2)
            if low < middle < high:
                inside.append(middle)
        return inside or list(axis[-1:])

    def _snap(self, width: float) -> int:
        step = self.measuring.step
        return max(round(width / step), 1) * step
