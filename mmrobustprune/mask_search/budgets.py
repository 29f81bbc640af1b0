"""What a network costs as a function of how much each layer keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from mmrobustprune.dependency.groups import weighted_layers
from mmrobustprune.dependency.kinds import weights_used

from .cache import Cache
from .reads import Read, find_reads, input_dim


class WeightBudget:
    """cost(k) = sum_l n_l k_l, the number of weights kept by rates k (layers,).

    Args:
        sizes: n, the number of weights of each layer.
    """

    def __init__(self, sizes: list[int]):
        self._sizes = torch.tensor(sizes, dtype=torch.float64)
        self._there = Cache()

    def __call__(self, rates: Tensor) -> Tensor:
        sizes = self._there((rates.device, rates.dtype), lambda: self._sizes.to(rates))
        return (sizes * rates).sum()


class FlopBudget:
    """cost(k) = sum_l positions_l * out_l k_next(l) * (2 area_l in_l k_l + 1), FLOPs of an image.

    k_l is the share of input channels layer l keeps, next(l) the first layer that reads its output;
    layers without a rate keep all. Every layer that ran counts (HARP, OpenReview sAJDi9lD06L).

    Args:
        model: the network.
        reads: what `find_reads` gave.
        names: the layers that have rates, in the order of the rates.
    """

    def __init__(self, model: nn.Module, reads: Mapping[str, Read], names: list[str]):
        layers = weighted_layers(model)
        place = {name: number for number, name in enumerate(names)}
        all_kept = len(names)  # the place of a rate of 1 behind the others
        rows = []
        for name, read in reads.items():
            layer = layers[name]
            outputs = layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels
            rows.append(
                (
                    read.positions * outputs,
                    2 * (weights_used(layer) // outputs),
                    place.get(name, all_kept),
                    place.get(read.consumer, all_kept),
                )
            )
        self._columns = [torch.tensor(column) for column in zip(*rows, strict=True)]
        self._there = Cache()

    def __call__(self, rates: Tensor) -> Tensor:
        def moved() -> list[Tensor]:
            outer, inner, own, after = self._columns
            factors = [factor.to(rates.device, rates.dtype) for factor in (outer, inner)]
            return factors + [place.to(rates.device, torch.long) for place in (own, after)]

        outer, inner, own, after = self._there((rates.device, rates.dtype), moved)
        rates = torch.cat([rates, rates.new_ones(1)])
        return (outer * rates[after] * (inner * rates[own] + 1)).sum()


@torch.no_grad()
def flops_ratio(model: nn.Module, masks: Mapping[str, Tensor], input_shape: Sequence[int]) -> float:
    """How many times fewer FLOPs masks of input channels come to, each reader counted by itself.

    What really goes is less where readers of one sum leave different channels.

    Args:
        model: the network.
        masks: {layer: bool mask of its weight's shape}, of whole input channels.
        input_shape: (C, H, W) of an image.
    """
    layers = weighted_layers(model)
    shares = []
    for name, mask in masks.items():
        kept = mask.movedim(input_dim(layers[name]), 0).flatten(1).any(1)
        shares.append(float(kept.double().mean()))
    budget = FlopBudget(model, find_reads(model, input_shape), list(masks))
    rates = torch.tensor(shares, dtype=torch.float64)
    return float(budget(torch.ones_like(rates)) / budget(rates))
