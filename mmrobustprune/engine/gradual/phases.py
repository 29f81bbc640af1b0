"""When a gradual pruning warms up, masks, removes and fine-tunes."""

from __future__ import annotations

from dataclasses import dataclass

from mmrobustprune.engine.pruning.schedule import iterations
from mmrobustprune.recipes.gradual import Recipe


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
                'or lengthen the schedule.'
            )
        return phases

    @property
    def cut(self) -> int:
        """The iteration before which the last round and the removal happen."""
        return self.warmup + self.rounds * self.interval

    def phase(self, iteration: int) -> str:
        """'warmup' | 'prune' | 'finetune', the phase of one iteration (counted from 0)."""
        return (
            'warmup' if iteration < self.warmup else 'prune' if iteration < self.cut else 'finetune'
        )

    def rounds_due(self, iteration: int) -> int:
        """How many rounds of masks must have happened before `iteration`, 0 to `rounds`."""
        return min(max((iteration - self.warmup) // self.interval, 0), self.rounds)
