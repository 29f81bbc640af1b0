"""HARP: how much each layer keeps is learned together with the scores."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .forms import ChannelForm, WeightForm
from .host import FormedHost, FormedNetwork
from .network import SLACK
from .rates import STRATEGIES, RatedScored, Rates


class RatedNetwork(FormedNetwork):
    """A network with learned rates, and the growing penalty that brings them down to the target.

    Args:
        model: as for `ScoredNetwork`, and so are the next three.
        layers: the parametrizations.
        target: fraction to remove.
        before: what required gradients.
        form: what a score stands for, with the budget.
        rates: of all layers, in order.
        growth: of the penalty, per epoch.
    """

    def __init__(
        self,
        model: nn.Module,
        layers: dict[str, RatedScored],
        target: float,
        before: list[tuple[nn.Parameter, bool]],
        form: WeightForm | ChannelForm,
        rates: Rates,
        growth: float,
    ):
        super().__init__(model, layers, target, before, form)
        self._rates = rates
        self._growth = growth
        self._strength = growth
        self._frozen = False

    def excess(self) -> Tensor:
        """max(cost / allowed cost - 1, 0) of the true counts, with the rates' gradients."""
        rates = self._rates.values()
        with torch.no_grad():
            rounding = self._rates.shares(rates) - rates
        share = self._form.budget(rates + rounding) / self._form.allowed
        return (share - 1).relu()  # clamp has a gradient at 0

    def penalty(self) -> Tensor:
        return self._strength * self.excess()

    def begin_epoch(self, epoch: int) -> None:
        if not self._frozen:
            self._strength = (epoch + 1) * self._growth

    def end_epoch(self) -> None:
        """Hold the strength from the first epoch on whose excess rounds to 0 at four decimals."""
        with torch.no_grad():
            self._frozen = self._frozen or float(self.excess()) < SLACK

    def state_dict(self) -> dict:
        return dict(strength=self._strength, frozen=self._frozen)

    def load_state_dict(self, state: Mapping) -> None:
        self._strength = float(state['strength'])
        self._frozen = bool(state['frozen'])


@dataclass
class HARP(FormedHost):
    """HARP (Zhao and Wressnegger, ICLR 2023): learned k_l = k_min + (1 - k_min) sigmoid(a_l).

    The loss gains g_e max(cost / allowed - 1, 0) with g_e = (e + 1) growth in epoch e, held once
    the constraint holds at an epoch's end. Cost counts weights, of channels FLOPs; what is allowed
    is the cost of k_l = 1 - target in every layer l, with budget='flops' (1 - target) of all FLOPs.

    Args:
        strategy: first rates, 'uniform', 'erk', 'lamp', 'original' (all kept), or {layer: rate}.
        start: their mean, from 1 - target to 1; default the larger of 0.1 and 1 - target.
        floor: k_min / (1 - target), in (0, 1).
        growth: g_e per epoch, > 0.

    Raises:
        ValueError: a field out of its range; at attach, first rates below the target, from which
            nothing would pull the network up.
    """

    strategy: str | Mapping[str, float] = 'uniform'
    start: float | None = None
    floor: float = 0.1
    growth: float = 1.0

    def equip(self, model: nn.Module, layers: dict[str, nn.Module]) -> dict[str, RatedScored]:
        form = self._form = self.make_form(model, layers)
        first = form.first_scores()
        entries = [scores.numel() for scores in first.values()]
        low = self.floor * form.share
        rates = self._rates = Rates([], entries, low, form.counts)
        start = self._first(form, low)
        logits = {
            name: nn.Parameter(layer.weight.new_tensor(rates.logit(start[name])))
            for name, layer in form.layers.items()
        }
        rates.logits += [logits[form.leaders[name]] for name in form.layers]
        share = self._share_allowed(form, rates)
        if share < 1 - 1e-3:
            raise ValueError(
                f'the first rates come to {share:.3f} of what the target allows, and nothing would '
                'pull them up; give a larger start or another strategy.'
            )
        parts = {}
        for index, (name, layer) in enumerate(form.layers.items()):
            part = RatedScored(first[name], form.shape(name), self.filters(layer))
            part.learn(rates, index)
            parts[name] = part
        return parts

    @staticmethod
    @torch.no_grad()
    def _share_allowed(form: WeightForm | ChannelForm, rates: Rates) -> float:
        """First cost over allowed cost, with the better of exact and rounded counts.

        Either may fall short by rounding alone.
        """
        exact = rates.values().double()
        rounded = float(form.budget(rates.shares(exact)))
        return max(rounded, float(form.budget(exact))) / form.allowed

    def network(
        self,
        model: nn.Module,
        parts: dict[str, RatedScored],
        before: list[tuple[nn.Parameter, bool]],
    ) -> RatedNetwork:
        return RatedNetwork(model, parts, self.target, before, self._form, self._rates, self.growth)

    def _first(self, form: WeightForm | ChannelForm, low: float) -> dict[str, float]:
        """The rate each layer starts from."""
        layers = form.layers
        if isinstance(self.strategy, str):
            mean = max(0.1, form.share) if self.start is None else self.start
            weights = {name: layer.weight for name, layer in layers.items()}
            return STRATEGIES[self.strategy](weights, mean, low)
        wrong = [
            *sorted(set(self.strategy) ^ set(layers)),
            *(k for k, rate in self.strategy.items() if not low < rate <= 1),
        ]
        if wrong:
            raise ValueError(
                f"strategy must give every layer a rate in ({low:g}, 1], and '{wrong[0]}' has none "
                'or is no layer; the names are those of ScoredNetwork.layers, or use '
                "strategy='uniform'."
            )
        return dict(self.strategy)

    def __post_init__(self):
        super().__post_init__()
        if isinstance(self.strategy, str) and self.strategy not in STRATEGIES:
            raise ValueError(
                f'strategy={self.strategy!r} is not one of {", ".join(STRATEGIES)}, nor a dict of '
                'rates by layer; choose one of these.'
            )
        if self.start is not None and not 1 - self.target - 1e-9 <= self.start <= 1:
            raise ValueError(
                f'start={self.start!r} is not in [{1 - self.target:g}, 1]; below the target '
                'nothing would pull the rates up.'
            )
        if not 0 < self.floor < 1:
            raise ValueError(
                f'floor={self.floor!r} is not in (0, 1); 0.1 bounds the rates at a tenth of the '
                'target.'
            )
        if not (math.isfinite(self.growth) and self.growth > 0):
            raise ValueError(
                f'growth={self.growth!r} is not a number > 0; without a penalty the rates would '
                'not meet the target.'
            )
