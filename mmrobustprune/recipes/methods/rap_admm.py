"""RAP-ADMM: filters are pulled to zero under the robust loss, then removed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar

from torch import nn

from mmrobustprune.dependency import Group
from mmrobustprune.masks import ADMMMaskSet
from mmrobustprune.recipes.facts import Facts

from .sfp import SFP


@dataclass(frozen=True)
class RAPADMM(SFP):
    """RAP-ADMM (Ye et al., ICCV 2019): SFP whose chosen filters are pulled to zero by the loss.

    Nothing is zeroed before the removal: every choice says which weights with that many filters at
    zero are the nearest, and the loss draws the network there (`ADMMMaskSet`). Training is
    under attack where the loss of the config is. Schedule and rho are from memory of the paper.

    Args:
        rho: of the pull.
    """

    method: ClassVar[str] = 'RAPADMM'
    facts: ClassVar[Facts] = replace(
        SFP.facts,
        paper='Ye et al., ICCV 2019',
        procedure='a pull towards zero, then once',
        final='that of the end of the pull',
        data='training batches',
        setup='filters are chosen anew every few epochs',
    )

    soft: float | str | None = 0.5
    every: str = '3 epochs'
    rho: float = 1e-3

    def masks(self, model: nn.Module, groups: Iterable[Group]) -> ADMMMaskSet:
        """The masks of its groups."""
        return ADMMMaskSet(model, groups, self.rho)

    def __post_init__(self):
        super().__post_init__()
        if self.rho < 0:
            raise ValueError(
                f'robust_prune.rho={self.rho} is below 0 and would push weights away from zero; '
                'give a number >= 0, such as 0.001.'
            )
