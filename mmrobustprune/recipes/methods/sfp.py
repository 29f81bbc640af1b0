"""Soft filter pruning: filters are zeroed every epoch, learn on, and are chosen anew."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

from mmrobustprune.masks import MaskSet, RegrowingMaskSet
from mmrobustprune.recipes.facts import Facts
from mmrobustprune.recipes.fields import check_pace, fixed
from mmrobustprune.recipes.phases import Phase

from .filters import FilterRecipe


@dataclass(frozen=True)
class SFP(FilterRecipe):
    """SFP (He et al., IJCAI 2018): the filters of least L2 norm become zero after every epoch.

    Weights, momentum and gradients of zeroed filters go on, so that they may grow and stay the next
    time. Those of the last time are removed.

    Args:
        soft: length of that phase: a fraction of the schedule in [0, 1), '3 epochs' or '300 iters';
            None is all of it, and the training ends with the removal, as far as it is a multiple
            of `every`.
        every: how long filters learn between two choices: '1 epochs' or '100 iters'.

    Raises:
        ValueError: `every` is a number, or a field is out of its range.
    """

    method: ClassVar[str] = 'SFP'
    masks: ClassVar[type[MaskSet]] = RegrowingMaskSet
    gradual: ClassVar[bool] = False
    facts: ClassVar[Facts] = Facts(
        paper='He et al., IJCAI 2018',
        procedure='zeroed every epoch, then once',
        final='the last',
        setup='zeroed filters learn on',
    )

    score: dict = field(default_factory=lambda: dict(type='FilterNorm', p=2))
    warmup: float | str = fixed(0)
    rounds: int | None = fixed(None)
    interval: int | None = fixed(None)
    prune: float | str | None = fixed(None)
    coupled: bool = True
    soft: float | str | None = None
    every: str = '1 epochs'

    def phases(self) -> tuple[Phase, ...]:
        return (
            Phase('soft', self.soft, self.every, self.rule),
            Phase('finetune', rule=self.finetune_rule),
        )

    def __post_init__(self):
        super().__post_init__()
        check_pace(self.every)


@dataclass(frozen=True)
class SoftFPGM(SFP):
    """FPGM (He et al., CVPR 2019): SFP of the filters nearest to their layer's geometric median."""

    method: ClassVar[str] = 'SoftFPGM'
    facts: ClassVar[Facts] = replace(SFP.facts, paper='He et al., CVPR 2019')

    score: dict = field(default_factory=lambda: dict(type='FPGM'))


@dataclass(frozen=True)
class SmoothSFP(SFP):
    """SFP whose norms are mixed with smoothness by rank (SR-GKP, NeurIPS 2023, appendix C.1.3)."""

    method: ClassVar[str] = 'SmoothSFP'
    facts: ClassVar[Facts] = replace(SFP.facts, paper='Zhong et al., NeurIPS 2023')

    score: dict = field(default_factory=lambda: dict(type='SmoothMix', alpha=0.9))
