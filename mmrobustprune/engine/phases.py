"""When things happen: warm-up, rounds of masks, fine-tuning, in iterations of the base schedule."""
from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from mmengine.dataset import InfiniteSampler

from .recipes import Recipe

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
        f"robust_prune.{name}={length!r} is no phase length; give a fraction of the schedule in [0, 1), '3 epochs' or '300 iters'.")


def batches_per_epoch(loader: Any) -> int:
    """Batches of one process in which all processes together see the data once; an endless sampler counts the whole data for each."""
    sampler = getattr(getattr(loader, 'batch_sampler', None), 'sampler', None)   # loader.sampler is not that of a given batch sampler
    return -(-len(loader) // sampler.world_size) if isinstance(sampler, InfiniteSampler) else len(loader)


@dataclass(frozen=True)
class Phases:
    """The plan of one run; every question is answered from the iteration alone, so a resumed run agrees.

    Args:
        warmup: iterations before the pruning phase.
        interval: iterations between rounds.
        rounds: rounds of masks; the last one falls on `cut`, with the removal.
        total: iterations of the whole schedule.
    """

    warmup: int
    interval: int
    rounds: int
    total: int

    @classmethod
    def plan(cls, recipe: Recipe, total: int, per_epoch: int) -> Phases:
        """Fit `recipe` into a schedule of `total` iterations, or say why it does not."""
        warmup = iterations(recipe.warmup, 'warmup', total, per_epoch)
        interval = recipe.interval
        if recipe.prune is not None:
            prune = iterations(recipe.prune, 'prune', total, per_epoch)
            interval = max(1, prune // recipe.rounds)
        phases = cls(warmup, interval, recipe.rounds, total)
        if phases.cut >= total:
            raise ValueError(
                f'the phase plan takes {phases.cut} iterations (warm-up {warmup}, then {recipe.rounds} rounds of {interval}) and '
                f'the base schedule has {total}, which leaves none to fine-tune; shorten robust_prune.warmup, rounds or interval, '
                'or lengthen the schedule.')
        return phases

    @property
    def cut(self) -> int:
        """The iteration before which the last round and the removal happen."""
        return self.warmup + self.rounds * self.interval

    def phase(self, iteration: int) -> str:
        """'warmup' | 'prune' | 'finetune', the phase of one iteration (counted from 0)."""
        return 'warmup' if iteration < self.warmup else 'prune' if iteration < self.cut else 'finetune'

    def rounds_due(self, iteration: int) -> int:
        """How many rounds of masks must have happened before `iteration`, 0 to `rounds`."""
        return min(max((iteration - self.warmup) // self.interval, 0), self.rounds)
