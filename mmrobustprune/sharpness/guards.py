"""What the second pass must leave as it found it: weights and buffers (generators: `rng`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

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
    kept = []
    for module in model.modules():
        for name, buffer in module._buffers.items():
            if buffer is not None:
                kept.append((module, name, buffer, buffer.clone()))
    try:
        yield
    finally:
        with torch.no_grad():
            for module, name, buffer, value in kept:
                buffer.copy_(value)
                module._buffers[name] = buffer
