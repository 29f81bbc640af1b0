"""Robust tickets in random networks: no weight is ever trained."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mmrobustprune.dependency.kinds import bias_of

from .host import Host
from .initial import kaiming_normal, scaled, signed_constant, uniform
from .layers import NORMS


def _given(weight: Tensor, draw: torch.Generator) -> Tensor:
    return weight


def _scaled(name: str, weight: Tensor, draw: torch.Generator) -> Tensor:
    return scaled(name, weight)


WEIGHTS = dict(signed_constant=signed_constant, kaiming_normal=kaiming_normal, given=_given)
SCORES = dict(uniform=uniform, scaled=_scaled)


@dataclass
class RLTH(Host):
    """Robust lottery tickets by search alone, with random weights (Fu et al., NeurIPS 2021).

    Weights are drawn anew, biases are zero, and with affine=False normalisations have scale 1 and
    shift 0; only scores are trained.

    Args:
        weights: 'signed_constant' (+- sqrt(2 / fan_in)), 'kaiming_normal', or 'given' (the
            network's own).
        scores_from: 'uniform' (U(+-1 / sqrt(fan_in))), or 'scaled' (HYDRA's; impossible with
            constants).
        affine: normalisations learn scales and shifts.
        seed: of all draws; the generators of the process are left alone.

    Raises:
        ValueError: a field out of its range, or scores scaled from constants.
    """

    weights: str = 'signed_constant'
    scores_from: str = 'uniform'
    affine: bool = False
    seed: int = 0

    @property
    def needs_weights(self) -> bool:
        return self.weights == 'given'

    def attach(self, model):
        self._draw = torch.Generator().manual_seed(self.seed)
        return super().attach(model)

    @torch.no_grad()
    def prepare(self, model: nn.Module, layers: dict[str, nn.Module]) -> None:
        for layer in layers.values():
            layer.weight.copy_(WEIGHTS[self.weights](layer.weight, self._draw))
            if bias_of(layer) is not None and self.weights != 'given':
                layer.bias.zero_()
        if not self.affine:
            for module in model.modules():
                if isinstance(module, NORMS):
                    _without_affine(module)

    def scores(self, name: str, layer: nn.Module) -> Tensor:
        return SCORES[self.scores_from](name, layer.weight, self._draw)

    def __post_init__(self):
        super().__post_init__()
        for name, value, table in (
            ('weights', self.weights, WEIGHTS),
            ('scores_from', self.scores_from, SCORES),
        ):
            if value not in table:
                raise ValueError(
                    f'{name}={value!r} is not allowed; choose {" or ".join(map(repr, table))}.'
                )
        draw = torch.Generator().manual_seed(self.seed)
        probe = WEIGHTS[self.weights](torch.arange(1.0, 9.0).view(2, 4), draw)
        # raises for scores scaled from constants
        SCORES[self.scores_from](f'weights={self.weights!r}', probe, draw)
        self.freeze_bn = self.freeze_bn or not self.affine


def _without_affine(norm: nn.Module) -> None:
    """Scale 1 and shift 0, where the normalisation has them."""
    for key, value in (('weight', 1.0), ('bias', 0.0)):
        parameter = getattr(norm, key, None)
        if parameter is not None:
            parameter.fill_(value)
