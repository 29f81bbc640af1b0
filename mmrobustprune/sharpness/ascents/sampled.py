"""The gradient of a part of this batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from .base import ALONE, Ascent, Pass, fraction

LEAST = 2  # samples, as BatchNorm needs


@dataclass
class Sampled(Ascent):
    """Along the gradient of the first samples of the batch; all of them take the second pass.

    The offset is that of m-sharpness (Foret et al., arXiv 2010.01412) with m = first B of the B
    samples on the device. One pass and `first` of another; generators, buffers and the loss are
    those of the whole batch at w + e. For several offsets in one update accumulate gradients.

    Args:
        first: fraction of the batch that takes the first pass, in (0, 1); at least two samples do.

    Raises:
        ValueError: a fraction out of its range.
    """

    parts: ClassVar[bool] = True

    first: float = 0.25

    def passes(self, step):
        with step.apart() as gradients:
            yield Pass(own=False, local=True, take=self._leading)
        with step.moved(gradients):
            yield ALONE

    def _leading(self, samples: Sequence) -> Sequence:
        return samples[: max(LEAST, round(self.first * len(samples)))]

    def __post_init__(self):
        fraction(first=self.first)
