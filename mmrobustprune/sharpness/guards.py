"""What the second pass must leave as it found it: weights, buffers, random generators."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


@contextmanager
def moved(weights: Sequence[Tensor], offsets: list[Tensor]) -> Iterator[None]:
    """Weights plus offsets inside; afterwards the same bits in the same storage as before.

    The old values are copied back: w + e - e is not w, and replicas would drift apart. `offsets` is
    emptied once they are added, so that their memory is free during the pass.
    """
    with torch.no_grad():
        before = [weight.clone() for weight in weights]
    try:
        with torch.no_grad():
            if before:
                torch._foreach_add_(weights, offsets)
        offsets.clear()
        torch.clear_autocast_cache()  # it holds half-precision copies of the old weights
        yield
    finally:
        with torch.no_grad():
            if before:
                torch._foreach_copy_(weights, before)
        torch.clear_autocast_cache()


@contextmanager
def frozen_buffers(model: nn.Module) -> Iterator[None]:
    """Afterwards every buffer (BatchNorm statistics, counters, queues) is what it was before."""
    kept = [
        (module, name, buffer, buffer.clone())
        for module in model.modules()
        for name, buffer in module._buffers.items()
        if buffer is not None
    ]
    try:
        yield
    finally:
        with torch.no_grad():
            for module, name, buffer, value in kept:
                buffer.copy_(value)
                module._buffers[name] = buffer


@dataclass(frozen=True)
class RandomState:
    """State of Python's, NumPy's, torch's and the current accelerator's generators."""

    python: Any
    numpy: Any
    torch: Tensor
    accelerator: Tensor | None

    @classmethod
    def now(cls) -> RandomState:
        device = _accelerator()
        return cls(
            random.getstate(),
            np.random.get_state(),
            torch.get_rng_state(),
            None if device is None else device.get_rng_state(),
        )

    def restore(self) -> None:
        """Set the generators to this state."""
        random.setstate(self.python)
        np.random.set_state(self.numpy)
        torch.set_rng_state(self.torch)
        if self.accelerator is not None:
            _accelerator().set_rng_state(self.accelerator)


@contextmanager
def preserved_rng(start: RandomState | None = None) -> Iterator[None]:
    """Afterwards all generators are where they are now; inside they go on from `start`, or here."""
    live = RandomState.now()
    try:
        if start is not None:
            start.restore()
        yield
    finally:
        live.restore()


def _accelerator():
    if torch.accelerator.is_available():
        return torch.get_device_module(torch.accelerator.current_accelerator())
    return None
