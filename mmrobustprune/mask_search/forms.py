"""What one score of HARP stands for: a weight, or an input channel of a layer."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .budgets import FlopBudget, WeightBudget
from .initial import input_norms, scaled
from .reads import find_reads, input_dim
from .topk import kept_count


class WeightForm:
    """A score per weight; kept = n - floor((1 - k) n); the constraint counts weights.

    Attributes:
        layers: {name: layer} of those that get scores.
        leaders: {name: the layer whose rate it shares}, itself where it has its own.
        budget: cost as a function of the rates (layers,).
        allowed: the cost at k = 1 - ratio in every layer.
    """

    def __init__(self, model: nn.Module, layers: dict[str, nn.Module], ratio: float, input_shape):
        sizes = [layer.weight.numel() for layer in layers.values()]
        self.layers = layers
        self.leaders = {name: name for name in layers}
        self.budget = WeightBudget(sizes)
        self.allowed = float(sum(kept_count(size, ratio) for size in sizes))

    def scores(self, name: str, layer: nn.Module) -> Tensor:
        """First scores, of the weight's shape."""
        return scaled(name, layer.weight)

    @staticmethod
    def counts(rates: Tensor, entries: Tensor) -> Tensor:
        """How many of the entries (layers,) the rates (layers,) keep, at least one."""
        return entries - ((1 - rates) * entries).floor()


class ChannelForm:
    """A score per input channel; kept = round(k C), at least 1; the constraint counts FLOPs.

    Layers that read the image have no scores: colours are never removed. Layers that read the very
    same tensor (a block's first convolution and its shortcut) share a rate, not the choice. The
    target is the cost at k = 1 - ratio in every layer, so that FLOPs fall with about k^2. Sizes are
    those of a traced image and next layers the true ones, where the published code divides strides
    without rounding and takes the order of registration.

    Raises:
        ValueError: a grouped convolution, or a layer that did not run, named.
    """

    def __init__(self, model: nn.Module, layers: dict[str, nn.Module], ratio: float, input_shape):
        reads = find_reads(model, input_shape)
        for name, layer in layers.items():
            why = ''
            if name not in reads:
                why = 'it did not run on an image of the input_shape'
            elif input_dim(layer) is None:
                why = 'it is a grouped convolution'
            if why:
                raise ValueError(
                    f"the input channels of '{name}' cannot be scored, since {why}; put '{name}' "
                    'into ignore.'
                )
        self.layers = {name: layer for name, layer in layers.items() if reads[name].sources}
        if not self.layers:
            raise ValueError(
                'every layer reads the image itself, so no input channel can be removed; use '
                'form="weight".'
            )
        self.leaders = {
            name: reads[name].twin if reads[name].twin in self.layers else name
            for name in self.layers
        }
        self.budget = FlopBudget(model, reads, list(self.layers))
        entries = torch.tensor(
            [layer.weight.shape[input_dim(layer)] for layer in self.layers.values()],
            dtype=torch.float64,
        )
        kept = self.counts(torch.tensor(1 - ratio), entries)
        self.allowed = float(self.budget(kept / entries))

    def scores(self, name: str, layer: nn.Module) -> Tensor:
        """First scores, (1, in, 1, 1)."""
        return input_norms(name, layer.weight, input_dim(layer))

    @staticmethod
    def counts(rates: Tensor, entries: Tensor) -> Tensor:
        """How many of the channels (layers,) the rates (layers,) keep, at least one."""
        return (rates * entries).round().clamp(min=1)


FORMS = dict(weight=WeightForm, channel=ChannelForm)
