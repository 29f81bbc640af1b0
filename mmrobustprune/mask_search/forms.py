"""What one score stands for: a weight, or an input channel of a layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mmrobustprune.naming import unknown

from .budgets import FlopBudget, WeightBudget
from .initial import input_norms, norms_of_streams, scaled
from .reads import find_reads, first_of_stream, input_dim
from .topk import kept_count, least_kept


@dataclass(frozen=True)
class Counting:
    """How a form counts.

    Attributes:
        budget: of channels, what the target is a fraction of: 'channels' or 'flops'.
        streams: of channels, whether readers of one sum choose on their 'own' or are 'tied'.
        input_shape: (C, H, W) of an image.
        keep_filters: of weights, no filter loses all of its own.

    Raises:
        ValueError: an unknown budget or streams.
    """

    budget: str = 'channels'
    streams: str = 'own'
    input_shape: Sequence[int] = (3, 32, 32)
    keep_filters: bool = False

    def __post_init__(self):
        if self.budget not in BUDGETS:
            raise unknown('budget', self.budget, BUDGETS)
        if self.streams not in STREAMS:
            raise unknown('streams', self.streams, STREAMS)


class WeightForm:
    """A score per weight; kept = n - floor((1 - k) n); the constraint counts weights.

    Attributes:
        layers: {name: layer} of those that get scores.
        leaders: {name: the layer whose rate it shares}, itself where it has its own.
        budget: cost as a function of the rates (layers,).
        allowed: the cost at k = 1 - ratio in every layer.
        share: the k that all layers may keep.
        uniform: how many scores each layer keeps then.
    """

    def __init__(
        self, model: nn.Module, layers: dict[str, nn.Module], ratio: float, counting: Counting
    ):
        sizes = [layer.weight.numel() for layer in layers.values()]
        self.layers = layers
        self.leaders = {name: name for name in layers}
        self.budget = WeightBudget(sizes)
        self.share = 1 - ratio
        self.uniform = [kept_count(size, ratio) for size in sizes]
        self.allowed = float(sum(self.uniform))
        self._least = torch.tensor(
            [
                least_kept(name, layer, kept, counting.keep_filters)
                for (name, layer), kept in zip(layers.items(), self.uniform, strict=True)
            ],
            dtype=torch.float64,
        )

    def first_scores(self) -> dict[str, Tensor]:
        """Of every layer, of its weight's shape."""
        return {name: scaled(name, layer.weight) for name, layer in self.layers.items()}

    def shape(self, name: str) -> torch.Size:
        """Of a layer's scores, as they broadcast to its weight."""
        return self.layers[name].weight.shape

    def counts(self, rates: Tensor, entries: Tensor) -> Tensor:
        """How many of the entries (layers,) the rates (layers,) keep, at least one."""
        return (entries - ((1 - rates) * entries).floor()).maximum(self._least.to(entries))


class ChannelForm:
    """A score per input channel; kept = round(k C), at least 1; the constraint counts FLOPs.

    Layers that read the image have no scores: colours are never removed. With streams='own' layers
    that read the very same tensor (a block's first convolution and its shortcut) share a rate, not
    the choice (HARP); with 'tied' all layers that read one residual stream share scores and rate,
    so that what they leave can really be removed. Sizes are those of a traced image and next layers
    the true ones, where the published code divides strides without rounding and takes the order of
    registration. Attributes as `WeightForm`.

    Raises:
        ValueError: a grouped convolution, or a layer that did not run, named; tied layers of
            different widths; a target that not even one channel per layer meets.
    """

    def __init__(
        self, model: nn.Module, layers: dict[str, nn.Module], ratio: float, counting: Counting
    ):
        reads = find_reads(model, counting.input_shape)
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
        entries = [layer.weight.shape[input_dim(layer)] for layer in self.layers.values()]
        self.tied = counting.streams == 'tied'
        self.leaders = STREAMS[counting.streams](
            reads, dict(zip(self.layers, entries, strict=True))
        )
        self.budget = FlopBudget(model, reads, list(self.layers))
        self.entries = torch.tensor(entries, dtype=torch.float64)
        BUDGETS[counting.budget](self, ratio)

    def first_scores(self) -> dict[str, Tensor]:
        """Of every layer, (1, in, 1, 1); with tied streams one parameter (in,) for each stream."""
        if self.tied:
            return norms_of_streams(self.layers, self.leaders)
        return {
            name: input_norms(name, layer.weight, input_dim(layer))
            for name, layer in self.layers.items()
        }

    def shape(self, name: str) -> torch.Size:
        """(1, in, 1, 1), as a layer's scores broadcast to its weight."""
        layer = self.layers[name]
        dim = input_dim(layer)
        return torch.Size(n if d == dim else 1 for d, n in enumerate(layer.weight.shape))

    @staticmethod
    def counts(rates: Tensor, entries: Tensor) -> Tensor:
        """How many of the channels (layers,) the rates (layers,) keep, at least one."""
        return (rates * entries).round().clamp(min=1)

    def cost(self, share: float) -> float:
        """FLOPs with that share of every layer, rounded to whole channels."""
        return float(self.budget(self.counts(torch.tensor(share), self.entries) / self.entries))

    def even(self, share: float) -> list[int]:
        """How many channels each layer keeps with that share."""
        return self.counts(torch.tensor(share), self.entries).long().tolist()


# --- what the target of channels is a fraction of -------------------------------------------------


def _of_channels(form: ChannelForm, ratio: float) -> None:
    """Every layer keeps 1 - ratio of its channels, so that FLOPs fall with about its square."""
    form.share = 1 - ratio
    form.uniform = form.even(form.share)
    form.allowed = form.cost(form.share)


def _of_flops(form: ChannelForm, ratio: float) -> None:
    """The largest share of channels, the same in every layer, with 1 - ratio of the FLOPs."""
    form.allowed = (1 - ratio) * form.cost(1.0)
    if form.cost(0.0) > form.allowed:
        raise ValueError(
            f'target={ratio:g} of the FLOPs is out of reach: one channel in every layer still '
            f'takes {form.cost(0.0) / form.cost(1.0):.4f} of them; give a smaller target.'
        )
    ones = torch.ones_like(form.entries)
    form.share = _largest(lambda share: float(form.budget(share * ones)) <= form.allowed)
    form.uniform = form.even(_largest(lambda share: form.cost(share) <= form.allowed))


def _largest(fits: Callable[[float], bool]) -> float:
    """The largest number in [0, 1] that fits, where all smaller ones do."""
    low = 0.0
    high = 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if fits(middle):
            low = middle
        else:
            high = middle
    return low


# --- who shares what ------------------------------------------------------------------------------


def _twins(reads: Mapping, entries: Mapping[str, int]) -> dict[str, str]:
    return {name: reads[name].twin if reads[name].twin in entries else name for name in entries}


def _streams(reads: Mapping, entries: Mapping[str, int]) -> dict[str, str]:
    leaders = first_of_stream({name: reads[name].sources for name in entries})
    for name, leader in leaders.items():
        if entries[name] != entries[leader]:
            raise ValueError(
                f"streams='tied' ties layers that read one sum, and '{name}' reads "
                f"{entries[name]} channels where '{leader}' reads {entries[leader]}; use "
                "streams='own' for a network that concatenates."
            )
    return leaders


FORMS = dict(weight=WeightForm, channel=ChannelForm)
BUDGETS = dict(channels=_of_channels, flops=_of_flops)
STREAMS = dict(own=_twins, tied=_streams)
