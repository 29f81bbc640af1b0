"""EagleEye: the best of many vectors of rates, judged before any training."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from torch import nn

from mmrobustprune.cost.model import CostModel
from mmrobustprune.masks import SearchedSelection
from mmrobustprune.recipes.facts import Facts
from mmrobustprune.recipes.fields import check_above_zero

from .filters import FilterRecipe


@dataclass(frozen=True)
class EagleEye(FilterRecipe):
    """EagleEye (Li et al., ECCV 2020): L1 norms of filters at the best of many vectors of rates.

    A vector is judged by the loss of training images, once BatchNorm has statistics of the smaller
    network.

    Args:
        candidates: vectors of rates that are tried.
        seed: of the draw.
    """

    method: ClassVar[str] = 'EagleEye'
    facts: ClassVar[Facts] = Facts(
        paper='Li et al., ECCV 2020',
        procedure='a search of rates, then once',
        data='4000 training images',
        cost='4000 images through every candidate',
    )

    recalibrate: str = '2000 images'
    coupled: bool = True
    rates: dict | str = field(default_factory=dict, init=False)
    candidates: int = 100
    seed: int = 0

    def selection(self, model: nn.Module, cost: CostModel) -> SearchedSelection:
        ranked = super().selection(model, cost)
        return SearchedSelection(**vars(ranked), vectors=self.candidates, seed=self.seed)

    def __post_init__(self):
        super().__post_init__()
        check_above_zero(candidates=self.candidates)
