"""How much each layer keeps when that is learned: first rates, bounds, and counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from .cache import Cache
from .parametrizations import Scored

Weights = Mapping[str, Tensor]


def _uniform(weights: Weights, mean: float, low: float) -> dict[str, float]:
    return dict.fromkeys(weights, mean)


def _original(weights: Weights, mean: float, low: float) -> dict[str, float]:
    return dict.fromkeys(weights, 1.0)


def _erk(weights: Weights, mean: float, low: float) -> dict[str, float]:
    """In proportion to (sum of a weight's sizes) / (their product) (RigL, arXiv 1911.11134)."""
    return fitted(
        {name: sum(weight.shape) / weight.numel() for name, weight in weights.items()},
        weights,
        mean,
        low,
    )


def _lamp(weights: Weights, mean: float, low: float) -> dict[str, float]:
    """What is left of each layer when the smallest w^2 / (sum of the w^2 not below it) go first (arXiv 2010.07611)."""
    scores = {}
    for name, weight in weights.items():
        ascending = weight.detach().double().flatten().square().sort().values
        scores[name] = ascending / ascending.flip(0).cumsum(0).flip(0)
    every = torch.cat(list(scores.values())).sort().values
    edge = every[min(len(every) - round(mean * len(every)), len(every) - 1)]
    return fitted(
        {name: float((score >= edge).double().mean()) for name, score in scores.items()},
        weights,
        mean,
        low,
    )


STRATEGIES: dict[str, Callable[[Weights, float, float], dict[str, float]]] = dict(
    uniform=_uniform, erk=_erk, lamp=_lamp, original=_original
)


def fitted(
    shares: Mapping[str, float], weights: Weights, mean: float, low: float
) -> dict[str, float]:
    """Rates in proportion to `shares`, inside the bounds a sigmoid can start from, with a given mean over all weights.

    rate = clip(c * share, low + 0.01 (1 - low), low + 0.99 (1 - low)), with c such that
    sum(size * rate) / sum(size) = mean, or all at the upper bound where the mean lies above it.
    """
    share = torch.tensor(list(shares.values()), dtype=torch.float64)
    size = torch.tensor([weights[name].numel() for name in shares], dtype=torch.float64)
    bounds = low + 0.01 * (1 - low), low + 0.99 * (1 - low)
    small, large = 0.0, 1 / float(share[share > 0].min())
    for _ in range(200):  # halves the interval, and so ends at neighbouring numbers
        middle = (small + large) / 2
        got = float(((share * middle).clamp(*bounds) * size).sum() / size.sum())
        small, large = (middle, large) if got < mean else (small, middle)
    return dict(zip(shares, (share * large).clamp(*bounds).tolist(), strict=True))


class Rates:
    """The keep rates k = low + (1 - low) sigmoid(a) of all layers, and the counts they come to.

    Args:
        logits: the parameters a, scalars, one per layer in order; tied layers share one.
        entries: number of scores of each layer.
        low: smallest rate.
        whole: rates (layers,) and entries (layers,), float64 -> number of scores kept (layers,).
    """

    def __init__(
        self,
        logits: list[nn.Parameter],
        entries: list[int],
        low: float,
        whole: Callable[[Tensor, Tensor], Tensor],
    ):
        self.logits, self.entries, self.low, self.whole = logits, entries, low, whole
        self._counts, self._there = Cache(), Cache()

    def bounded(self, logit: Tensor) -> Tensor:
        """The rate of a logit, elementwise."""
        return self.low + (1 - self.low) * logit.sigmoid()

    def values(self) -> Tensor:
        """The rates (layers,), through which gradients go."""
        return self.bounded(torch.stack(list(self.logits)))

    def shares(self, rates: Tensor) -> Tensor:
        """The share of each layer's scores that the rates (layers,) come to in whole numbers, (layers,)."""
        entries = self._there(
            rates.device,
            lambda: torch.tensor(self.entries, dtype=torch.float64, device=rates.device),
        )
        return (self.whole(rates.double(), entries) / entries).to(rates.dtype)

    def counts(self) -> list[int]:
        """Number of scores each layer keeps; the host waits for the device once after each change of a rate."""
        return self._counts(
            (),
            lambda: [
                round(share * entries)
                for share, entries in zip(
                    self.shares(self.values().double()).tolist(), self.entries, strict=True
                )
            ],
            *self.logits,
        )

    def logit(self, rate: float) -> float:
        """The a whose rate is `rate`, with the sigmoid held inside [0.01, 0.99]."""
        inner = torch.tensor((rate - self.low) / (1 - self.low), dtype=torch.float64)
        return float(inner.clamp(0.01, 0.99).logit())


class RatedScored(Scored):
    """`Scored` whose share is learned: `logit` is a parameter, its rate gets dL/dk = sum(w * dL/du)."""

    def __init__(self, scores: Tensor, logit: nn.Parameter, rates: Rates, index: int):
        super().__init__(scores, 0)
        self.logit, self._rates, self._index = logit, rates, index

    @property
    def kept(self) -> int:
        return self._rates.counts()[self._index]

    @property
    def rate(self) -> Tensor | None:
        learning = torch.is_grad_enabled() and self.logit.requires_grad
        return self._rates.bounded(self.logit) if learning else None
