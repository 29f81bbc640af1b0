"""Hosts: methods that learn which weights to keep from scores."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from .forms import FORMS, ChannelForm, Counting, WeightForm
from .initial import scaled
from .layers import freeze, prunable_layers
from .network import SLACK, ScoredNetwork
from .parametrizations import Scored
from .topk import filter_dim, kept_count, least_kept


@dataclass
class Host:
    """Base of the hosts: weights stand still, scores choose the mask, outputs are of w * mask.

    A new host overrides what differs: `prepare` (change the weights first), `scores` (where they
    start), `equip` (how many a layer keeps), `network` (penalty, epochs, own state).

    Args:
        target: fraction of the weights to remove, in (0, 1).
        ignore: names, prefixes or patterns of layers that stay dense.
        freeze_bn: scales and shifts of normalisations stand still too; their statistics still
            follow.
        keep_filters: no filter loses all its weights in the search: the largest score of each is
            kept before others, and a layer keeps as many weights as ever.

    Raises:
        ValueError: a target outside (0, 1); at attach, keep_filters where a layer keeps fewer
            weights than it has filters.
    """

    target: float
    ignore: Sequence[str] = ()
    freeze_bn: bool = False
    keep_filters: bool = False

    @property
    def needs_weights(self) -> bool:
        """Whether the masks are of the weights that the network comes with."""
        return True

    def attach(self, model: nn.Module) -> ScoredNetwork:
        """Give every convolution and linear layer scores, in place, and freeze what they mask.

        The network must hold its weights already; `model.init_weights()` would not reach them
        afterwards.

        Raises:
            ValueError: a layer that cannot be scored, named; nothing is changed then.
        """
        layers = prunable_layers(model, self.ignore)
        self.prepare(model, layers)
        parts = self.equip(model, layers)
        before = freeze(model, self.freeze_bn)
        for name, part in parts.items():
            parametrize.register_parametrization(layers[name], 'weight', part)
        return self.network(model, parts, before)

    def prepare(self, model: nn.Module, layers: dict[str, nn.Module]) -> None:
        """Change the network before its weights are frozen."""

    def scores(self, name: str, layer: nn.Module) -> Tensor:
        """First scores of a layer, of its weight's shape or one that broadcasts to it."""
        return scaled(name, layer.weight)

    def equip(self, model: nn.Module, layers: dict[str, nn.Module]) -> dict[str, Scored]:
        """The parametrization of each layer: every one removes the target fraction."""
        first = {name: self.scores(name, layer) for name, layer in layers.items()}
        parts = {}
        for name, scores in first.items():
            kept = kept_count(scores.numel(), self.target)
            least_kept(name, layers[name], kept, self.keep_filters)
            parts[name] = Scored(scores, kept, filters=self.filters(layers[name]))
        return parts

    def filters(self, layer: nn.Module) -> int | None:
        """The dimension of a layer's filters where none may die."""
        return filter_dim(layer) if self.keep_filters else None

    def network(self, model: nn.Module, parts: dict[str, Scored], before: list) -> ScoredNetwork:
        """The network with its scores on."""
        return ScoredNetwork(model, parts, self.target, before)

    def __post_init__(self):
        if not isinstance(self.target, (int, float)) or not (
            math.isfinite(self.target) and 0 < self.target < 1
        ):
            raise ValueError(
                f'target={self.target!r} is not in (0, 1); give the fraction of weights to remove, '
                'such as 0.9.'
            )


class FormedNetwork(ScoredNetwork):
    """A network whose target is one of weights, of channels, or of FLOPs.

    Args:
        model: as for `ScoredNetwork`, and so are the next three.
        layers: the parametrizations.
        target: fraction to remove.
        before: what required gradients.
        form: what a score stands for, with the budget.
    """

    def __init__(
        self,
        model: nn.Module,
        layers: dict[str, Scored],
        target: float,
        before: list[tuple[nn.Parameter, bool]],
        form: WeightForm | ChannelForm,
    ):
        super().__init__(model, layers, target, before)
        self._form = form

    def cost(self) -> float:
        """What the true counts come to, in the units of the constraint (weights or FLOPs)."""
        shares = [layer.kept / layer.scores.numel() for layer in self.layers.values()]
        return float(self._form.budget(torch.tensor(shares, dtype=torch.float64)))

    def meets_target(self) -> bool:
        return self.cost() <= self._form.allowed * (1 + SLACK)


@dataclass
class FormedHost(Host):
    """Base of the hosts that score weights or input channels.

    Args:
        form: a score per 'weight', or per input 'channel' of a layer; colours are never removed.
        budget: of channels, what the target is a fraction of: 'channels' (0.5 leaves about a
            quarter of the FLOPs) or 'flops' (0.75 leaves a quarter, 14/15 a fifteenth).
        streams: of channels, whether layers that read one residual stream choose on their 'own', as
            published, or are 'tied': they share scores, so that the stream itself gets narrower and
            a network that is really made smaller has the FLOPs of the mask.
        input_shape: (C, H, W) of an image; the channel form counts FLOPs on it.

    Raises:
        ValueError: an unknown form, budget or streams.
    """

    form: str = 'weight'
    budget: str = 'channels'
    streams: str = 'own'
    input_shape: Sequence[int] = (3, 32, 32)

    def make_form(self, model: nn.Module, layers: dict[str, nn.Module]) -> WeightForm | ChannelForm:
        """What a score stands for in this network."""
        return FORMS[self.form](model, layers, self.target, self._counting())

    def _counting(self) -> Counting:
        return Counting(self.budget, self.streams, self.input_shape, self.keep_filters)

    def __post_init__(self):
        super().__post_init__()
        if self.form not in FORMS:
            raise ValueError(
                f'form={self.form!r} is not allowed; choose {" or ".join(map(repr, FORMS))}.'
            )
        self._counting()


@dataclass
class HYDRA(FormedHost):
    """Every layer keeps n - floor(target * n) weights (HYDRA, arXiv 2002.10509).

    The scores start at the weights' size. Of channels every layer keeps round(k C) with one k: that
    of the target, or the largest whose FLOPs the target allows.
    """

    def equip(self, model: nn.Module, layers: dict[str, nn.Module]) -> dict[str, Scored]:
        form = self._form = self.make_form(model, layers)
        first = form.first_scores()
        parts = {}
        for (name, layer), kept in zip(form.layers.items(), form.uniform, strict=True):
            shape = form.shape(name)
            parts[name] = Scored(first[name], kept, shape, self.filters(layer))
        return parts

    def network(self, model: nn.Module, parts: dict[str, Scored], before: list) -> FormedNetwork:
        return FormedNetwork(model, parts, self.target, before, self._form)
