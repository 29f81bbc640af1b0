"""SMCP: soft masks of what layers read, chosen anew by a knapsack under a latency."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

from mmrobustprune.masks import InputMaskSet, MaskSet
from mmrobustprune.recipes.facts import Facts
from mmrobustprune.recipes.fields import check_pace, fixed
from mmrobustprune.recipes.phases import Phase

from .halp import HALP


@dataclass(frozen=True)
class SMCP(HALP):
    """SMCP (Humble et al., ECCV 2022): HALP whose channels may come back.

    Layers stop reading a channel that the knapsack leaves out. Its weights learn on
    (`InputMaskSet`), and every round chooses among all channels, within a latency that falls to the
    target. Those that the last round leaves out are removed. Schedule and score are from memory of
    the paper.

    Args:
        soft: length of that phase: a fraction of the schedule in [0, 1), '3 epochs' or '300 iters'.
        every: how long weights learn between two choices: '1 epochs' or '100 iters'.
    """

    method: ClassVar[str] = 'SMCP'
    masks: ClassVar[type[MaskSet]] = InputMaskSet
    facts: ClassVar[Facts] = replace(
        HALP.facts,
        paper='Humble et al., ECCV 2022',
        procedure='soft masks in rounds, then once',
        setup='masked weights learn on',
    )

    score: dict = field(default_factory=lambda: dict(type='InputTaylor'))
    solver: str = 'exact'
    rule: dict | None = fixed(None)
    warmup: float | str = fixed(0)
    rounds: int | None = fixed(None)
    interval: int | None = fixed(None)
    prune: float | str | None = fixed(None)
    soft: float | str = 0.5
    every: str = '320 iters'

    def phases(self) -> tuple[Phase, ...]:
        return (
            Phase('soft', self.soft, self.every),
            Phase('finetune', rule=self.finetune_rule),
        )

    def __post_init__(self):
        super().__post_init__()
        check_pace(self.every)
