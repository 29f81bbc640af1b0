"""Scales of BatchNorm that learn under a penalty: network slimming and polarisation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from mmrobustprune.dependency import Group
from mmrobustprune.dependency.groups import find_layer
from mmrobustprune.recipes.facts import Facts
from mmrobustprune.recipes.fields import check_above_zero, fixed
from mmrobustprune.recipes.gradual import Recipe
from mmrobustprune.recipes.phases import AfterStep, Penalty, Phase
from mmrobustprune.scores.bn_scale import norms


def scales(model: nn.Module, groups: Iterable[Group]) -> Tensor:
    """The scales (n,) of all batch normalisations of the groups."""
    found = []
    for group in groups:
        for part in norms(model, group):
            weight = find_layer(model, part.layer).weight
            found.append(weight[part.index.to(weight.device)].flatten())
    return torch.cat(found) if found else torch.zeros(0)


@dataclass(frozen=True)
class L1OfScales:
    """strength sum |gamma_i| (arXiv:1708.06519)."""

    strength: float

    def __call__(self, model: nn.Module, groups: tuple[Group, ...], done: float) -> Tensor:
        return self.strength * scales(model, groups).abs().sum()


@dataclass(frozen=True)
class Polarising:
    """strength (t sum |gamma_i| - sum |gamma_i - mean of gamma|): some go to 0, the others stay.

    Zhuang et al., NeurIPS 2020.
    """

    strength: float
    t: float

    def __call__(self, model: nn.Module, groups: tuple[Group, ...], done: float) -> Tensor:
        found = scales(model, groups)
        apart = (found - found.mean()).abs().sum() if len(found) else found.sum()
        return self.strength * (self.t * found.abs().sum() - apart)


@dataclass(frozen=True)
class ScalesWithin:
    """Puts every scale back into [0, most]."""

    most: float

    @torch.no_grad()
    def __call__(self, model: nn.Module, groups: tuple[Group, ...]) -> None:
        for group in groups:
            for part in norms(model, group):
                find_layer(model, part.layer).weight.clamp_(0, self.most)


@dataclass(frozen=True)
class Slimming(Recipe):
    """Network slimming (Liu et al., ICCV 2017): an L1 penalty on the scales of BatchNorm.

    Channels of the smallest scales in the whole network go at once; a threshold of the scales and
    the share below it are the same.

    Args:
        sparsify: length of the training under the penalty: a fraction of the schedule in [0, 1),
            '3 epochs' or '300 iters'.
        strength: of the penalty.
    """

    method: ClassVar[str] = 'Slimming'
    facts: ClassVar[Facts] = Facts(
        paper='Liu et al., ICCV 2017',
        procedure='a penalty, then once',
        final='that of the end of the penalty',
        data='training batches',
        setup='the network learns sparse scales first',
    )

    budget: str = 'channels'
    score: dict = field(default_factory=lambda: dict(type='BNScale'))
    normalise: str = 'none'
    per: str = 'unit'
    weigh: str = 'none'
    warmup: float | str = fixed(0)
    rounds: int | None = fixed(1)
    interval: int | None = fixed(None)
    prune: float | str | None = fixed(0)
    recalibrate: str = ''
    sparsify: float | str = 0.5
    strength: float = 1e-4

    def penalty(self) -> Penalty:
        """What is added to the loss."""
        return L1OfScales(self.strength)

    def after_step(self) -> AfterStep | None:
        """What is done to the scales after every step; nothing by default."""
        return None

    def phases(self) -> tuple[Phase, ...]:
        return (
            Phase(
                'sparsify',
                self.sparsify,
                rule=self.rule,
                penalty=self.penalty(),
                after_step=self.after_step(),
            ),
            Phase('prune', 0, rounds=1),
            Phase('finetune', rule=self.finetune_rule),
        )

    def __post_init__(self):
        super().__post_init__()
        check_above_zero(strength=self.strength)


@dataclass(frozen=True)
class Polarisation(Slimming):
    """Polarisation (Zhuang et al., NeurIPS 2020): slimming that leaves the other scales large.

    Args:
        t: of L1 against the distances from the mean; more of it makes more scales zero.
        most: scales stay in [0, most].
    """

    method: ClassVar[str] = 'Polarisation'
    facts: ClassVar[Facts] = replace(Slimming.facts, paper='Zhuang et al., NeurIPS 2020')

    t: float = 1.2
    most: float = 1.0

    def penalty(self) -> Penalty:
        return Polarising(self.strength, self.t)

    def after_step(self) -> AfterStep:
        return ScalesWithin(self.most)

    def __post_init__(self):
        super().__post_init__()
        check_above_zero(t=self.t, most=self.most)
