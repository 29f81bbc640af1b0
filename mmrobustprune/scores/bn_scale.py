"""Size of the batch normalisation scales."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from mmrobustprune.dependency.groups import Group, Slice, find_layer, spread
from mmrobustprune.dependency.kinds import is_batch_norm

from .base import Score, makers, outputs


def norms(model: nn.Module, group: Group) -> list[Slice]:
    """The batch normalisations of a group that have a scale."""
    return [
        part
        for part in group.slices
        if is_batch_norm(layer := find_layer(model, part.layer)) and layer.weight is not None
    ]


def over_filters(
    scores: dict[str, Tensor], model: nn.Module, groups: tuple[Group, ...]
) -> dict[str, Tensor]:
    """Unit scores laid out over the filters of the groups' layers."""
    if not groups:
        raise ValueError(
            'a score of batch normalisations finds the filters they belong to through '
            'the groups; call filters(model, groups).'
        )
    return spread(scores, groups, {name: outputs(layer) for name, layer in makers(model)})


class BNScale(Score):
    """s_i = sum of |gamma_i| over the batch normalisations of the group (arXiv:1708.06519)."""

    @torch.no_grad()
    def __call__(self, model: nn.Module, groups: Iterable[Group]) -> dict[str, Tensor]:
        return {group.name: self._score(model, group) for group in groups}

    def _score(self, model: nn.Module, group: Group) -> Tensor:
        found = norms(model, group)
        if not found:
            raise ValueError(
                f"group '{group.name}' has no batch normalisation whose scale could be "
                'its score; ignore that layer or use Magnitude or Taylor.'
            )
        return sum(find_layer(model, part.layer).weight.abs()[part.index].sum(1) for part in found)

    def filters(self, model: nn.Module, groups: Iterable[Group] = ()) -> dict[str, Tensor]:
        groups = tuple(groups)
        return over_filters(self(model, groups), model, groups)
