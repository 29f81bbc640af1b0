"""Batches in parts that fit into a GPU's memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from mmrobustprune.attack import Classifier, Outcome

Ask = Callable[[Classifier, Tensor, Tensor, Tensor], Outcome]


class Fitting:
    """Asks a probe of a batch, in halves where the GPU has no memory for more.

    Attributes:
        size: images that are asked at a time; None: as many as there are.
    """

    def __init__(self) -> None:
        self.size: int | None = None

    def __call__(
        self, probe: Ask, model: Classifier, x: Tensor, y: Tensor, index: Tensor
    ) -> Outcome:
        """As the probe's own call.

        Raises:
            torch.OutOfMemoryError: one image alone is too much.
        """
        found: list[Outcome] = []
        done = 0
        while done < len(x):
            size = min(self.size or len(x), len(x) - done)
            part = slice(done, done + size)
            outcome = _tried(probe, model, x[part], y[part], index[part])
            if outcome is None:  # what was held is free by now
                self.size = (size + 1) // 2
                continue
            found.append(outcome)
            done += size
        return joined(found)


def joined(parts: Sequence[Outcome]) -> Outcome:
    """The outcome of a batch from those of its parts, in order."""
    notes: dict[str, None] = {}
    for part in parts:
        notes |= dict.fromkeys(part.notes)
    robust: dict = {}
    for step in parts[0].robust:
        robust[step] = torch.cat([part.robust[step] for part in parts])
    return Outcome(robust, tuple(notes))


def _tried(probe: Ask, model: Classifier, x: Tensor, y: Tensor, index: Tensor) -> Outcome | None:
    """None where the memory was too small."""
    try:
        return probe(model, x, y, index)
    except torch.OutOfMemoryError:
        if len(x) == 1:
            raise
    if x.is_cuda:
        torch.cuda.empty_cache()
    return None
