"""What all corruption functions share: their random numbers, and the way back to [0, 255]."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


class Draws(np.random.RandomState):
    """Random numbers of one image in one cell: NumPy's legacy stream and a seed for numba's.

    Args:
        words: 32-bit words.
    """

    def __init__(self, words: np.ndarray) -> None:
        super().__init__(words)
        self.word = int(words[0])


Function = Callable[[np.ndarray, Any, Draws], np.ndarray]


def scaled(unit: np.ndarray) -> np.ndarray:
    """Clipped to [0, 1] and times 255, in place."""
    np.clip(unit, 0, 1, out=unit)
    unit *= 255
    return unit


def missing(module: str, error: ImportError, package: str) -> ImportError:
    """The error for a module that corruptions need and that does not import."""
    return ImportError(
        f"corruptions need the module '{module}' and it does not import ({error}); "
        f'pip install {package}.'
    )
