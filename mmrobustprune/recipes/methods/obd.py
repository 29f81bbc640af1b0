"""Second-order scores: OBD, and the Hessian of whole units."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

from mmrobustprune.recipes.facts import Facts
from mmrobustprune.recipes.gradual import Recipe


@dataclass(frozen=True)
class OBD(Recipe):
    """Optimal brain damage (LeCun et al., 1990) of channels: the diagonal of the Hessian."""

    method: ClassVar[str] = 'OBD'
    facts: ClassVar[Facts] = Facts(
        paper='LeCun et al., NeurIPS 1989',
        procedure='in rounds',
        final='that of the last round',
        data='1000 training images in every round',
        cost='a product with the Hessian for these',
    )

    score: dict = field(default_factory=lambda: dict(type='Hessian', per='weight'))
    normalise: str = 'none'
    per: str = 'unit'
    weigh: str = 'none'


@dataclass(frozen=True)
class GroupHessian(OBD):
    """OBD with the whole block of the Hessian that belongs to the filters of a unit."""

    method: ClassVar[str] = 'GroupHessian'
    facts: ClassVar[Facts] = replace(OBD.facts, paper='Hassibi and Stork, NeurIPS 1992')

    score: dict = field(default_factory=lambda: dict(type='Hessian', per='unit'))
