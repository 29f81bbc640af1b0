"""What a recipe asks of the schedule: named phases, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from mmrobustprune.dependency import Group

AfterStep = Callable[[nn.Module, tuple[Group, ...]], None]
Penalty = Callable[[nn.Module, tuple[Group, ...], float], Tensor]


@dataclass(frozen=True)
class Phase:
    """One part of a training. A recipe gives all of them, in order, by its `phases()`.

    Attributes:
        name: in logs and checkpoints; for a phase with a `length` also the field of `robust_prune`
            that a wrong length is blamed on.
        length: a fraction of the schedule in [0, 1), '3 epochs' or '300 iters'; None is all that
            the phases before it leave.
        rounds: rounds of masks, evenly spaced, the last one at the end of the phase, where what is
            masked is removed; or how long it is from one to the next, such as '1 epochs'. Of a
            phase without length all rounds come at once.
        rule: the sharpness rule, `dict(type='SAM', ...)`; None is plain training.
        penalty: `penalty(model, groups, done)` is added to the loss of every step of the phase,
            with the groups that can still shrink and the fraction of the phase that is done, in
            [0, 1); it goes with gradual recipes.
        after_step: `after_step(model, groups)` is called after every step of the phase.
        chooses: the units that will go are chosen as the phase begins, and penalties are given
            groups of these alone from then on. They go group by group where there are rounds.
        room: the share of the schedule that the rounds may take; where `length` is more, fewer and
            closer ones take that share. None is no limit.
    """

    name: str
    length: float | str | None = None
    rounds: int | str = 0
    rule: dict | None = None
    penalty: Penalty | None = None
    after_step: AfterStep | None = None
    chooses: bool = False
    room: float | None = None
