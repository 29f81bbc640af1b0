"""Size of the weights."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mmrobustprune.dependency.groups import Group, Slice, find_layer
from mmrobustprune.dependency.kinds import is_fixed, makes

from .base import Score, filter_rows, makers


@dataclass
class Magnitude(Score):
    """s_i = (sum of |w|^p over every coupled convolution and linear weight of unit i)^(1/p).

    The sum runs over the filters that produce the unit and over what the next layers read of it
    (DepGraph's group norm, arXiv:2301.12900; AdaSAP's default). A filter's score is its own norm.

    With `relative`, s_i = sum over these weights W of ||W_i||_p / ||W||_p: what the removal changes
    in each of the layers, relative to it, as the changes add up.

    Args:
        p: 1 or 2.
        relative: divide by the norm of each layer's weight.
    """

    p: float = 2
    relative: bool = False

    def __post_init__(self):
        if self.p not in (1, 2):
            raise ValueError(f'Magnitude takes p=1 or p=2, not {self.p}.')

    @torch.no_grad()
    def __call__(self, model: nn.Module, groups: Iterable[Group]) -> dict[str, Tensor]:
        scores = {}
        for group in groups:
            weighted = [part for part in group.slices if _learns(find_layer(model, part.layer))]
            powers = [self._powers(model, part) for part in weighted]
            scores[group.name] = self._together(powers)
        return scores

    def _powers(self, model: nn.Module, part: Slice) -> Tensor:
        """The sum of |w|^p (units,) over what a layer holds of each unit."""
        rows = filter_rows(find_layer(model, part.layer), part.side)
        of_channels = torch.linalg.vector_norm(rows, self.p, dim=1).pow(self.p)
        return of_channels[part.index.to(rows.device)].sum(1)

    def _together(self, powers: list[Tensor]) -> Tensor:
        if not self.relative:
            return sum(powers).pow(1 / self.p)
        tiny = torch.finfo(powers[0].dtype).tiny
        return sum((power / power.sum().clamp_min(tiny)).pow(1 / self.p) for power in powers)

    @torch.no_grad()
    def filters(self, model: nn.Module, groups: Iterable[Group] = ()) -> dict[str, Tensor]:
        return {
            name: torch.linalg.vector_norm(filter_rows(layer, 'out'), self.p, dim=1)
            for name, layer in makers(model)
        }


def _learns(layer: nn.Module | nn.Parameter) -> bool:
    """Whether the layer has weights, and they are no constants of the architecture."""
    return makes(layer) and not is_fixed(layer)
