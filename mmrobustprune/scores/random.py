"""Chance, the baseline of baselines."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mmrobustprune.dependency.groups import Group

from .base import Score, makers, outputs


@dataclass
class Random(Score):
    """s_i uniform in [0, 1), fixed by `seed` and the name of the group or layer.

    Args:
        seed: of the draw.
    """

    seed: int = 0

    def _draw(self, name: str, size: int) -> Tensor:
        generator = torch.Generator().manual_seed(zlib.crc32(f'{self.seed}/{name}'.encode()))
        return torch.rand(size, generator=generator)

    def __call__(self, model: nn.Module, groups: Iterable[Group]) -> dict[str, Tensor]:
        return {group.name: self._draw(group.name, group.units) for group in groups}

    def filters(self, model: nn.Module, groups: Iterable[Group] = ()) -> dict[str, Tensor]:
        return {name: self._draw(name, outputs(layer)) for name, layer in makers(model)}
