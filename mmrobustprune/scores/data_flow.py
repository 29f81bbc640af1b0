"""What the output may change by, at most, when a channel goes: a bound from the weights alone."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterable
from math import prod

import torch
from torch import Tensor, nn

from mmrobustprune.dependency.groups import Group, Slice, find_layer
from mmrobustprune.dependency.kinds import is_batch_norm, kind_of

from .base import Score, filter_rows, producing


class DataFlow(Score):
    """s_c = (sum over readers ||W[:, c]||_1) (sum over makers |g_c| ||W[c]||_1).

    The absolute gain of every path through channel c, from what its makers read to what its readers
    make, in the spirit of DFPC (ICLR 2023): |g_c| = |gamma_c| / sqrt(var_c + eps) of the batch
    normalisation that follows a layer in the order of the modules, 1 without one. A depthwise layer
    between the two multiplies by its own |g_c| ||W[c]||_1. Activations are taken to be no steeper
    than the identity. It needs no data.
    """

    @torch.no_grad()
    def __call__(self, model: nn.Module, groups: Iterable[Group]) -> dict[str, Tensor]:
        order = {name: at for at, (name, _) in enumerate(model.named_modules())}
        return {group.name: self._score(model, group, order) for group in groups}

    def _score(self, model: nn.Module, group: Group, order: dict[str, int]) -> Tensor:
        gains = _gains(model, group, order)
        made = []
        between = []
        for part in producing(model, group):
            own = (_lengths(model, part) * gains.get(part.layer, 1.0)).sum(1)
            dims = kind_of(find_layer(model, part.layer)).dims
            (made if 'in' in dims else between).append(own)
        read = [_lengths(model, part).sum(1) for part in group.slices if part.side == 'in']
        return sum(read) * prod(between) * sum(made)


def _lengths(model: nn.Module, part: Slice) -> Tensor:
    """L1 norm (units, channels of a unit) of the weights on one side of a layer."""
    rows = filter_rows(find_layer(model, part.layer), part.side).flatten(1)
    return rows.abs().sum(1)[part.index.to(rows.device)]


def _gains(model: nn.Module, group: Group, order: dict[str, int]) -> dict[str, Tensor]:
    """Layer -> |g| (units, channels of a unit) of the batch normalisations that follow it."""
    makers = sorted((part.layer for part in producing(model, group)), key=order.__getitem__)
    found: dict[str, Tensor] = {}
    for part in group.slices:
        layer = find_layer(model, part.layer)
        if is_batch_norm(layer) and layer.running_var is not None:
            owner = makers[max(bisect(makers, order[part.layer], key=order.__getitem__) - 1, 0)]
            gain = _gain(layer)[part.index.to(layer.running_var.device)]
            found[owner] = found.get(owner, 1.0) * gain
    return found


def _gain(norm: nn.Module) -> Tensor:
    gain = (norm.running_var + norm.eps).rsqrt()
    return gain if norm.weight is None else gain * norm.weight.abs()
