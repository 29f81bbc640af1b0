"""Size and smoothness of filters, mixed by rank."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mmrobustprune.dependency.groups import Group, find_layer
from mmrobustprune.dependency.kinds import kind_of, weight_name, weight_of

from .base import Score, makers, producing
from .roughness import energy, roughness


@dataclass
class SmoothMix(Score):
    """s_i = (alpha rank(size_i) + (1 - alpha) rank(-roughness_i)) / (units - 1).

    SR-GKP's rank mix (NeurIPS 2023, equation 2) on whole filters, as its appendix C.1.3 gives it to
    filters ranked by L2 norm. Ranks are those of a layer's filters, from 0 on; among equals the
    earlier one ranks lower. Size (sum of squares) and roughness (equation 1) of a unit are summed
    over the filters it takes along.

    Args:
        alpha: its CSB, in [0, 1].
    """

    alpha: float = 0.9

    def __post_init__(self):
        if not 0 <= self.alpha <= 1:
            raise ValueError(
                f'SmoothMix takes alpha in [0, 1], not {self.alpha}; 0.9 is the usual value.'
            )

    @torch.no_grad()
    def __call__(self, model: nn.Module, groups: Iterable[Group]) -> dict[str, Tensor]:
        scores = {}
        for group in groups:
            size = 0
            rough = 0
            for part in producing(model, group):
                sizes, roughnesses = _sums(find_layer(model, part.layer))
                index = part.index.to(sizes.device)
                size = size + sizes[index].sum(1)
                rough = rough + roughnesses[index].sum(1)
            scores[group.name] = self._mix(size, rough)
        return scores

    @torch.no_grad()
    def filters(self, model: nn.Module, groups: Iterable[Group] = ()) -> dict[str, Tensor]:
        return {name: self._mix(*_sums(layer)) for name, layer in makers(model)}

    def _mix(self, size: Tensor, rough: Tensor) -> Tensor:
        mixed = self.alpha * _ranks(size) + (1 - self.alpha) * _ranks(-rough)
        return (mixed / max(1, len(size) - 1)).to(size.dtype)


def _sums(layer: nn.Module) -> tuple[Tensor, Tensor]:
    """Size and roughness (out,) of a layer's filters; those of a linear layer have no roughness."""
    kind = kind_of(layer)  # None for a grouped convolution: its filters lie on dimension 0
    weight = weight_of(layer)
    weight = weight.movedim(kind.dims['out'][weight_name(layer)] if kind else 0, 0)
    kernels = weight if weight.dim() == 4 else weight.flatten(1)[..., None, None]
    return energy(kernels).sum(1), roughness(kernels).sum(1)


def _ranks(values: Tensor) -> Tensor:
    return values.argsort(stable=True).argsort().double()
