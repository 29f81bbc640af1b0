"""Hosts: methods that learn which weights to keep from scores."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.utils import parametrize

from .initial import scaled
from .layers import freeze, prunable_layers
from .network import ScoredNetwork
from .parametrizations import Scored
from .topk import kept_count


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

    Raises:
        ValueError: a target outside (0, 1).
    """

    target: float
    ignore: Sequence[str] = ()
    freeze_bn: bool = False

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
        return {
            name: Scored(scores, kept_count(scores.numel(), self.target))
            for name, scores in first.items()
        }

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


@dataclass
class HYDRA(Host):
    """Every layer keeps n - floor(target * n) weights (HYDRA, arXiv 2002.10509).

    The scores start at the weights' size.
    """
