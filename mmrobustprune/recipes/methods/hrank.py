"""HRank: ranks of feature maps, layer by layer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from mmrobustprune.recipes.facts import Facts
from mmrobustprune.recipes.fields import check_above_zero, fixed
from mmrobustprune.recipes.phases import Phase

from .filters import FilterRecipe


@dataclass(frozen=True)
class HRank(FilterRecipe):
    """HRank (Lin et al., CVPR 2020): filters whose feature maps have the lowest mean rank.

    Ranks are those of the dense network. Layer after layer loses its filters, and the network is
    fine-tuned in between.

    Args:
        turns: in how many turns the layers lose their filters, from the first to the last; as many
            as there are groups of channels is one by one.
        length: of all turns: a fraction of the schedule in [0, 1), '3 epochs' or '300 iters'.
    """

    method: ClassVar[str] = 'HRank'
    facts: ClassVar[Facts] = Facts(
        paper='Lin et al., CVPR 2020',
        procedure='layer by layer',
        final='that of the last layer',
        data='500 training images',
        cost='a decomposition of every feature map of these',
    )

    score: dict = field(default_factory=lambda: dict(type='FeatureRank', images=500))
    warmup: float | str = fixed(0)
    rounds: int | None = fixed(None)
    interval: int | None = fixed(None)
    prune: float | str | None = fixed(None)
    turns: int = 8
    length: float | str = 0.8

    def phases(self) -> tuple[Phase, ...]:
        return (
            Phase('turns', self.length, self.turns, self.rule, chooses=True),
            Phase('finetune', rule=self.finetune_rule),
        )

    def __post_init__(self):
        super().__post_init__()
        check_above_zero(turns=self.turns)
