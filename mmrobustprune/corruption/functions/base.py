"""What all corruption functions share: random numbers, the way to [0, 1] and back to levels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from .compiling import compiled
from .stream import fill_below, fill_normal, fill_photons, fill_uniform, stream_of

LEVELS = np.arange(256) / 255.0


class Draws:
    """Random numbers of one image in one cell: those of `numpy.random.RandomState(words)`.

    Args:
        words: 32-bit words, or one as a whole number, which seeds numba's generator, too.
    """

    def __init__(self, words: np.ndarray | int) -> None:
        self.words = words
        self.stream = stream_of(words)

    @property
    def first(self) -> Draws:
        """Those of a generator that the first word alone seeds, as numba's."""
        return Draws(int(self.words[0]))

    def random(self, shape: tuple[int, ...]) -> np.ndarray:
        """Uniform numbers in [0, 1)."""
        return self.uniform(0.0, 1.0, shape)

    def uniform(
        self, low: float, high: float, size: tuple[int, ...] | None = None
    ) -> float | np.ndarray:
        """Uniform numbers in [low, high), a single one where no size is given."""
        out = np.empty(size or 1)
        fill_uniform(self.stream, float(low), float(high - low), out.reshape(-1))
        return out if size else float(out[0])

    def normal(self, loc: float, scale: float, size: tuple[int, ...]) -> np.ndarray:
        """Normal numbers."""
        out = np.empty(size)
        fill_normal(self.stream, float(loc), float(scale), out.reshape(-1))
        return out

    def poisson(self, levels: np.ndarray, means: np.ndarray) -> np.ndarray:
        """Counts, float64, whose means are `means[levels]`."""
        out = np.empty(levels.shape)
        fill_photons(self.stream, levels.reshape(-1), means, out.reshape(-1))
        return out

    def steps(self, reach: int, shape: tuple[int, ...]) -> np.ndarray:
        """Whole numbers in [-reach, reach), int8."""
        out = np.empty(shape, np.int8)
        fill_below(self.stream, 2 * reach, -reach, out.reshape(-1))
        return out

    def randint(self, low: int, high: int | None = None) -> int:
        """A whole number in [low, high), or in [0, low)."""
        first, limit = (0, low) if high is None else (low, high - low)
        found = np.empty(1, np.int64)
        fill_below(self.stream, limit, first, found)
        return int(found[0])


Function = Callable[[np.ndarray, Any, Draws], np.ndarray]


def in_unit(image: np.ndarray, dtype: type = np.float64) -> np.ndarray:
    """uint8 as fractions of 255, each divided in the precision of `dtype`."""
    return cv2.LUT(image, (np.arange(256, dtype=dtype) / dtype(255)))


def scaled(unit: np.ndarray) -> np.ndarray:
    """Clipped to [0, 1], times 255 and truncated to uint8."""
    return _levels(unit, 1, 255)


def truncated(values: np.ndarray) -> np.ndarray:
    """Clipped to [0, 255] and truncated to uint8."""
    return _levels(values, 255, 1)


def _levels(values: np.ndarray, top: int, factor: int) -> np.ndarray:
    values = np.ascontiguousarray(values)
    out = np.empty(values.shape, np.uint8)
    limits = np.array([0, top, factor], values.dtype)
    _truncate(values.reshape(-1), limits, out.reshape(-1))
    return out


@compiled
def _truncate(values, limits, out):
    low, high, factor = limits
    for i in range(len(values)):
        out[i] = np.uint8(min(max(values[i], low), high) * factor)
