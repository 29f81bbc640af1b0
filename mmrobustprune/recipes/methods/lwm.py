"""LWM: the mask of the least weight magnitudes of a robust network, and robust fine-tuning."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from mmrobustprune.recipes.facts import Facts
from mmrobustprune.recipes.fields import fixed
from mmrobustprune.recipes.search import MaskSearch


@dataclass(frozen=True)
class LWM(MaskSearch):
    """LWM (Sehwag et al., 2019): the weights of least magnitude of every layer are masked.

    It is HYDRA whose scores, which are the magnitudes at first, never learn. The network is trained
    and fine-tuned with the loss of the config, under attack where it is to be robust.
    """

    facts: ClassVar[Facts] = Facts(
        paper='Sehwag et al., CCS workshop 2019', unit='weight', result='masked'
    )

    host: dict = field(default_factory=lambda: dict(type='HYDRA'), init=False)
    search: float | str | None = fixed('1 iters')
    warmup: float | str = fixed(0)
    gamma: float = fixed(0)
    perturb: str = fixed('none')
    rule: dict = field(default_factory=dict, init=False)
    search_optimizer: dict = field(default_factory=lambda: dict(lr=0.0), init=False)
    select: str = fixed('last')
