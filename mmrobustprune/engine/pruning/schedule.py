"""When things happen: warm-up, rounds of masks, fine-tuning, in iterations of the base schedule."""

from __future__ import annotations

import re
from typing import Any

from mmengine.dataset import InfiniteSampler

_LENGTH = re.compile(r'^\s*(\d+(?:\.\d+)?)\s*(epochs?|e|iters?|iterations?|i)\s*$')


def iterations(length: float | str, name: str, total: int, per_epoch: int) -> int:
    """A phase length in iterations.

    Args:
        length: fraction of the schedule in [0, 1), '3 epochs' or '300 iters'.
        name: the field, for the message.
        total: iterations of the base schedule.
        per_epoch: iterations of one epoch.

    Raises:
        ValueError: neither a fraction nor a number with its unit.
    """
    if isinstance(length, str):
        match = _LENGTH.match(length)
        if match:
            number, unit = float(match[1]), match[2]
            return round(number * per_epoch) if unit.startswith('e') else round(number)
    elif not isinstance(length, bool) and 0 <= length < 1:
        return round(length * total)
    raise ValueError(
        f"robust_prune.{name}={length!r} is no phase length; give a fraction of the schedule in [0, 1), '3 epochs' or '300 iters'."
    )


def batches_per_epoch(loader: Any) -> int:
    """Batches of one process in which all processes together see the data once; an endless sampler counts the whole data for each."""
    sampler = getattr(
        getattr(loader, 'batch_sampler', None), 'sampler', None
    )  # loader.sampler is not that of a given batch sampler
    return (
        -(-len(loader) // sampler.world_size)
        if isinstance(sampler, InfiniteSampler)
        else len(loader)
    )
