"""The latency table: measured milliseconds of blocks on a grid of widths, in a JSON file."""

from __future__ import annotations

import hashlib
import json
import math
import os
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from mmrobustprune.cost.timing import Timing
from mmrobustprune.records.files import write_file

FORMAT = 2  # 1: the whole network was timed while the process still gave memory back
# What two times must share to be compared.
IDENTITY = ('device', 'threads', 'batch', 'precision', 'clock', 'evict')
STATISTICS = ('median', 'least')


@dataclass
class TimingGrid:
    """The timings of one kind of block.

    Attributes:
        entries: (inputs, outputs) -> timing.
        inputs, outputs: the axes of the rectangle that is complete.
        error: largest difference in milliseconds between a measured cell centre and its
            interpolation there.
    """

    entries: dict[tuple[int, int], Timing] = field(default_factory=dict)
    inputs: tuple[int, ...] = ()
    outputs: tuple[int, ...] = ()
    error: float | None = None
    # (statistic, axes) -> milliseconds
    _rows: dict = field(default_factory=dict, repr=False, compare=False)

    def lacking(self, inputs: Iterable[int], outputs: Iterable[int]) -> list[tuple[int, int]]:
        """The points of a rectangle that are not measured yet, largest first."""
        points = set(product(inputs, outputs))
        return sorted(points - self.entries.keys(), key=lambda at: -at[0] * at[1])

    def accept(self, inputs: Iterable[int], outputs: Iterable[int]) -> None:
        """Use these axes from now on.

        Raises:
            ValueError: one of their points is not measured.
        """
        axes = [tuple(sorted(set(axis))) for axis in (inputs, outputs)]
        if self.lacking(*axes):
            raise ValueError(
                'the rectangle is not complete; measure what TimingGrid.lacking names first.'
            )
        self.inputs, self.outputs = axes

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        entries = [[*at, *timing.to_list()] for at, timing in sorted(self.entries.items())]
        return dict(inputs=self.inputs, outputs=self.outputs, error=self.error, entries=entries)

    def interpolate(self, inputs: np.ndarray, outputs: np.ndarray, statistic: str) -> np.ndarray:
        """Milliseconds at widths of any (equal) shape, bilinear between the measured ones."""
        rows = self._milliseconds(statistic)
        low, up, share = _between(np.array(self.inputs, float), inputs)
        left, right, part = _between(np.array(self.outputs, float), outputs)
        below = (1 - part) * rows[low, left] + part * rows[low, right]
        above = (1 - part) * rows[up, left] + part * rows[up, right]
        return (1 - share) * below + share * above

    def _milliseconds(self, statistic: str) -> np.ndarray:
        """(inputs, outputs), what a statistic says at the points of the complete rectangle."""
        at = (statistic, self.inputs, self.outputs)
        if at not in self._rows:
            points = product(self.inputs, self.outputs)
            flat = [self.entries[point].of(statistic) for point in points]
            self._rows = {at: np.reshape(flat, (len(self.inputs), len(self.outputs)))}
        return self._rows[at]


def _between(axis: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Neighbours on an axis and the share of the upper one."""
    up = np.clip(np.searchsorted(axis, at), min(1, len(axis) - 1), len(axis) - 1)
    low = np.maximum(up - 1, 0)
    step = np.where(up > low, axis[up] - axis[low], 1.0)
    return low, up, (at - axis[low]) / step


class LatencyTable:
    """Timings of blocks by signature, and of whole networks, on one device.

    Args:
        stamp: on what they are taken, see `mmrobustprune.cost.timing.stamp`.
        path: the file that `save` writes, whole or not at all.
        statistic: which number of a timing counts: 'median', or 'least' where other programs run on
            the machine.
    Raises:
        ValueError: another statistic.

    Attributes:
        grids: signature of a block -> its timings.
        networks: fingerprint -> timing of a whole network.
        spent: fingerprint -> seconds that went into the grids of that network.
    """

    def __init__(
        self,
        stamp: dict[str, Any],
        path: str | os.PathLike | None = None,
        statistic: str = 'median',
    ):
        if statistic not in STATISTICS:
            raise ValueError(f"statistic='{statistic}' is unknown; choose 'median' or 'least'.")
        self.stamp = stamp
        self.path = None if path is None else Path(path)
        self.statistic = statistic
        self.grids: dict[str, TimingGrid] = {}
        self.networks: dict[str, Timing] = {}
        self.spent: dict[str, float] = {}

    @classmethod
    def open(
        cls,
        path: str | os.PathLike,
        stamp: dict[str, Any],
        create: bool = True,
        statistic: str = 'median',
    ) -> LatencyTable:
        """The table in a file, or a new one.

        Args:
            path: of the file.
            stamp: of the times that are wanted.
            create: whether there may be no file yet.
            statistic: which number of a timing counts.
        Raises:
            FileNotFoundError: there is none and `create` is false.
            ValueError: a file that is no table, was changed by hand, holds impossible times, or was
                measured on another device, or with other threads, batch, precision or clock.
        """
        path = Path(path)
        if not path.is_file():
            if not create:
                raise FileNotFoundError(
                    f"there is no latency table '{path}'; measure one first (tools/analyze.py "
                    'latency --table), or allow measuring.'
                )
            return cls(stamp, path, statistic)
        table = cls._parse(path, statistic)
        for key in IDENTITY:
            if table.stamp.get(key) != stamp.get(key):
                raise ValueError(
                    f"the latency table '{path}' was measured with {key} {table.stamp.get(key)!r} "
                    f'and {stamp.get(key)!r} is wanted; give another file, a new table is then '
                    'measured into it.'
                )
        versions = [(one.get('versions') or {}).get('torch') for one in (table.stamp, stamp)]
        if versions[0] != versions[1]:
            warnings.warn(
                f"the latency table '{path}' was measured with torch {versions[0]}, and this is "
                f'{versions[1]}; if its kernels are as fast, go on, else give another file.',
                stacklevel=2,
            )
        return table

    @classmethod
    def _parse(cls, path: Path, statistic: str) -> LatencyTable:
        content = _read(path)
        table = cls(content['stamp'], path, statistic)
        for key, grid in content['blocks'].items():
            entries = {(row[0], row[1]): _timing(row[2:], path, key) for row in grid['entries']}
            axes = (tuple(grid['inputs']), tuple(grid['outputs']))
            table.grids[key] = TimingGrid(entries, *axes, grid['error'])
        table.networks = {key: _timing(row, path, key) for key, row in content['networks'].items()}
        table.spent = {key: float(seconds) for key, seconds in content.get('spent', {}).items()}
        return table

    def save(self) -> None:
        """Write the file."""
        if self.path is None:
            return
        blocks = {key: grid.to_dict() for key, grid in sorted(self.grids.items())}
        networks = {key: timing.to_list() for key, timing in self.networks.items()}
        content = dict(
            format=FORMAT, stamp=self.stamp, blocks=blocks, networks=networks, spent=self.spent
        )
        text = json.dumps(content | dict(checksum=_checksum(content))) + '\n'
        write_file(self.path, text.encode())

    def add(self, key: str, at: tuple[int, int], timing: Timing) -> None:
        """Take in one timing.

        Raises:
            ValueError: a time that is negative or no number.
        """
        self.grids.setdefault(key, TimingGrid()).entries[at] = _timing(
            timing.to_list(), self.path, key
        )

    def ms(self, key: str, inputs: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        """Milliseconds of a block at widths of any shape.

        Raises:
            ValueError: the block, or one of the widths, is outside what was measured.
        """
        inputs, outputs = np.broadcast_arrays(np.asarray(inputs, float), np.asarray(outputs, float))
        grid = self.grids.get(key)
        if grid is None or not grid.inputs:
            raise ValueError(
                f"the latency table {self._where()}has no complete grid of '{key}'; measure this "
                'network first, or allow measuring.'
            )
        for widths, axis, side in (
            (inputs, grid.inputs, 'input'),
            (outputs, grid.outputs, 'output'),
        ):
            if widths.min() < axis[0] or widths.max() > axis[-1]:
                raise ValueError(
                    f'the latency table {self._where()}knows {side} widths {axis[0]} to {axis[-1]} '
                    f"of '{key}', not {widths.min():g} to {widths.max():g}; extend it by measuring "
                    'this network.'
                )
        return grid.interpolate(inputs, outputs, self.statistic)

    def whole_ms(self, fingerprint: str) -> float:
        """Milliseconds of a whole network."""
        return self.networks[fingerprint].of(self.statistic)

    def _where(self) -> str:
        return '' if self.path is None else f"'{self.path}' "


def _timing(row: Any, path: Path | None, key: str) -> Timing:
    five = isinstance(row, list) and len(row) == 5
    numbers = five and all(isinstance(v, (int, float)) for v in row)
    if not numbers or not all(math.isfinite(v) and v >= 0 for v in row):
        raise ValueError(
            f"the latency table '{path}' holds {row} as a time of '{key}', but times are finite "
            'and not negative; delete the file and measure anew.'
        )
    return Timing(*row)


def _read(path: Path) -> dict:
    try:
        content = json.loads(path.read_text())
        checksum = content.pop('checksum')
        lacking = {'format', 'stamp', 'blocks', 'networks'} - content.keys()
    except (ValueError, AttributeError, KeyError, TypeError):
        lacking = {'checksum'}
    if lacking:
        raise ValueError(
            f"'{path}' is no latency table; give a file that was measured, or a new name."
        )
    if content['format'] != FORMAT:
        raise ValueError(
            f"the latency table '{path}' has format {content['format']!r}, this version reads "
            f'{FORMAT}; give a new name, a table is then measured into it.'
        )
    if checksum != _checksum(content):
        raise ValueError(
            f"the latency table '{path}' was changed after it was measured (its checksum does not "
            'fit); restore it, or delete it and measure anew.'
        )
    return content


def _checksum(content: dict) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
