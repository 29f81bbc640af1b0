"""Growing regularisation: filters that go are pressed to zero first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from mmrobustprune.dependency import Group
from mmrobustprune.recipes.facts import Facts
from mmrobustprune.recipes.fields import check_above_zero, fixed
from mmrobustprune.recipes.phases import Phase
from mmrobustprune.scores.base import producing, unit_rows

from .filters import FilterRecipe


@dataclass(frozen=True)
class GrowingL2:
    """1/2 strength sum of w^2 over the filters of the units, with a strength that grows.

    strength = start + delta floor(done (ceiling - start) / delta), so that it reaches the ceiling
    in steps of delta at the end of the phase. The gradient is strength w, that of a weight decay.
    """

    ceiling: float
    delta: float
    start: float = 0.0

    def strength(self, done: float) -> float:
        """The factor after a fraction of the phase, in [0, 1]."""
        steps = round((self.ceiling - self.start) / self.delta)
        return self.start + self.delta * int(done * steps + 1e-9)

    def __call__(self, model: nn.Module, groups: Iterable[Group], done: float) -> Tensor:
        total = torch.zeros(())
        for group in groups:
            for part in producing(model, group):
                total = total + unit_rows(model, part).square().sum()
        return self.strength(done) / 2 * total


@dataclass(frozen=True)
class GReg1(FilterRecipe):
    """GReg-1 (Wang et al., ICLR 2021): the filters of least L1 norm, under a growing L2 penalty.

    They are chosen first, the penalty grows to `ceiling` and stays there, and they are removed.

    Args:
        grow: length of the growth: a fraction of the schedule in [0, 1), '3 epochs' or '300 iters'.
        hold: length of the time at the ceiling, written as `grow` is.
        ceiling: the largest strength of the penalty.
        delta: by which it grows at a time; the steps are evenly spaced.
    """

    method: ClassVar[str] = 'GReg1'
    facts: ClassVar[Facts] = Facts(
        paper='Wang et al., ICLR 2021',
        procedure='a growing penalty, then once',
        final='that of the end of the penalty',
    )

    warmup: float | str = fixed(0)
    rounds: int | None = fixed(1)
    interval: int | None = fixed(None)
    prune: float | str | None = fixed(0)
    grow: float | str = 0.3
    hold: float | str = 0.1
    ceiling: float = 1.0
    delta: float = 1e-4

    def phases(self) -> tuple[Phase, ...]:
        still = GrowingL2(self.ceiling, self.delta, start=self.ceiling)
        return (
            Phase('grow', self.grow, rule=self.rule, penalty=self.growth(), chooses=True),
            Phase('hold', self.hold, rule=self.rule, penalty=still),
            Phase('prune', 0, rounds=1),
            Phase('finetune', rule=self.finetune_rule),
        )

    def growth(self) -> GrowingL2:
        """The penalty of the filters that were chosen."""
        return GrowingL2(self.ceiling, self.delta)

    def __post_init__(self):
        super().__post_init__()
        check_above_zero(ceiling=self.ceiling, delta=self.delta)


@dataclass(frozen=True)
class GReg2(GReg1):
    """GReg-2 (Wang et al., ICLR 2021): GReg-1 of filters that a growing penalty on all told apart.

    Args:
        separate: length of the growth for all filters, written as `grow` is.
        apart: the strength of the penalty at which the filters of least L1 norm are chosen.
        separate_delta: by which it grows until then.
    """

    method: ClassVar[str] = 'GReg2'
    facts: ClassVar[Facts] = replace(GReg1.facts, data='training batches')

    separate: float | str = 0.1
    apart: float = 0.01
    separate_delta: float = 1e-5

    def growth(self) -> GrowingL2:
        return GrowingL2(self.ceiling, self.delta, start=self.apart)

    def phases(self) -> tuple[Phase, ...]:
        tell = GrowingL2(self.apart, self.separate_delta)
        separate = Phase('separate', self.separate, rule=self.rule, penalty=tell)
        return separate, *super().phases()

    def __post_init__(self):
        super().__post_init__()
        check_above_zero(apart=self.apart, separate_delta=self.separate_delta)
