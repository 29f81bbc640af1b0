"""What a network costs as a function of how much each layer keeps."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mmrobustprune.dependency.groups import weights_used

from .cache import Cache
from .layers import weighted_layers
from .reads import Read


class WeightBudget:
    """cost(k) = sum_l n_l k_l, the number of weights kept by rates k (layers,)."""

    def __init__(self, sizes: list[int]):
        self._sizes, self._there = torch.tensor(sizes, dtype=torch.float64), Cache()

    def __call__(self, rates: Tensor) -> Tensor:
        sizes = self._there((rates.device, rates.dtype), lambda: self._sizes.to(rates))
        return (sizes * rates).sum()


class FlopBudget:
    """cost(k) = sum_l positions_l * out_l k_next(l) * (2 area_l in_l k_l + 1), FLOPs of a picture.

    k_l is the share of input channels layer l keeps, next(l) the first layer that reads its output;
    layers without a rate count as whole. Every layer that ran counts (HARP, OpenReview sAJDi9lD06L).

    Args:
        model: the network.
        reads: what `find_reads` gave.
        names: the layers that have rates, in the order of the rates.
    """

    def __init__(self, model: nn.Module, reads: Mapping[str, Read], names: list[str]):
        layers, rank = weighted_layers(model), {name: i for i, name in enumerate(names)}
        whole = len(names)  # the place of a rate of 1 behind the others
        rows = []
        for name, read in reads.items():
            layer = layers[name]
            outputs = layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels
            rows.append(
                (
                    read.positions * outputs,
                    2 * (weights_used(layer) // outputs),
                    rank.get(name, whole),
                    rank.get(read.consumer, whole),
                )
            )
        self._columns, self._there = (
            [torch.tensor(column) for column in zip(*rows, strict=True)],
            Cache(),
        )

    def __call__(self, rates: Tensor) -> Tensor:
        outer, inner, own, after = self._there(
            (rates.device, rates.dtype),
            lambda: [
                column.to(rates.device, rates.dtype if place < 2 else torch.long)
                for place, column in enumerate(self._columns)
            ],
        )
        rates = torch.cat([rates, rates.new_ones(1)])
        return (outer * rates[after] * (inner * rates[own] + 1)).sum()
