"""What the second pass must leave as it found it: weights (buffers: `flags`; generators: `rng`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor


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
