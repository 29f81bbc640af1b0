"""DFPC: channels that the output depends on least, by the weights alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from mmrobustprune.recipes.facts import Facts
from mmrobustprune.recipes.fields import fixed
from mmrobustprune.recipes.gradual import Recipe


@dataclass(frozen=True)
class DFPC(Recipe):
    """DFPC (Narshana et al., ICLR 2023): the channels that can change the output least go first.

    They go before any training, without data, a few at a time, and what the output can change by is
    computed anew in between (`DataFlow`). Its formula is from memory of the paper.

    Args:
        rounds: 70 remove about a hundredth of what is left at a time, where half goes.
    """

    method: ClassVar[str] = 'DFPC'
    facts: ClassVar[Facts] = Facts(
        paper='Narshana et al., ICLR 2023', procedure='in rounds, at once'
    )

    score: dict = field(default_factory=lambda: dict(type='DataFlow'))
    normalise: str = 'none'
    per: str = 'unit'
    weigh: str = 'none'
    warmup: float | str = fixed(0)
    rounds: int | None = 70
    interval: int | None = fixed(None)
    prune: float | str | None = fixed(0)
    recalibrate: str = ''
