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
    shares = {name: sum(weight.shape) / weight.numel() for name, weight in weights.items()}
    return fitted(shares, weights, mean, low)


def _lamp(weights: Weights, mean: float, low: float) -> dict[str, float]:
    """What is left of each layer when the smallest LAMP scores go first (arXiv 2010.07611).

    The score of w is w^2 / (the sum of the layer's w^2 that are not below it).
    """
    scores = {}
    for name, weight in weights.items():
        ascending = weight.detach().double().flatten().square().sort().values
        scores[name] = ascending / ascending.flip(0).cumsum(0).flip(0)
    every = torch.cat(list(scores.values())).sort().values
    edge = every[min(len(every) - round(mean * len(every)), len(every) - 1)]
    shares = {name: float((score >= edge).double().mean()) for name, score in scores.items()}
    return fitted(shares, weights, mean, low)


STRATEGIES: dict[str, Callable[[Weights, float, float], dict[str, float]]] = dict(
    uniform=_uniform, erk=_erk, lamp=_lamp, original=_original
)


def fitted(
    shares: Mapping[str, float], weights: Weights, mean: float, low: float
) -> dict[str, float]:
    """Rates in proportion to `shares` with a given mean over all weights.

    rate = clip(c * share, low + 0.01 (1 - low), low + 0.99 (1 - low)), the bounds a sigmoid can
    start from, with c such that sum(size * rate) / sum(size) = mean, or all at the upper bound
    where the mean lies above it.
    """
    share = torch.tensor(list(shares.values()), dtype=torch.float64)
    size = torch.tensor([weights[name].numel() for name in shares], dtype=torch.float64)
    bounds = (low + 0.01 * (1 - low), low + 0.99 * (1 - low))
    small = 0.0
    large = 1 / float(share[share > 0].min())
    for _ in range(200):  # halves the interval, and so ends at neighbouring numbers
        middle = (small + large) / 2
        got = float(((share * middle).clamp(*bounds) * size).sum() / size.sum())
        if got < mean:
            small = middle
        else:
            large = middle
    return dict(zip(shares, (share * large).clamp(*bounds).tolist(), strict=True))


class Rates:
    """The keep rates k = low + (1 - low) sigmoid(a) of all layers, and the counts they come to.

    Args:
        logits: the parameters a, scalars, one per layer in order; tied layers share one.
        entries: number of scores of each layer.
        low: smallest rate.
        rounding: rates (layers,) and entries (layers,), float64 -> how many scores are kept
            (layers,).
    """

    def __init__(
        self,
        logits: list[nn.Parameter],
        entries: list[int],
        low: float,
        rounding: Callable[[Tensor, Tensor], Tensor],
    ):
        self.logits = logits
        self.entries = entries
        self.low = low
        self.rounding = rounding
        self._counts = Cache()
        self._there = Cache()

    def bounded(self, logit: Tensor) -> Tensor:
        """The rate of a logit, elementwise."""
        return self.low + (1 - self.low) * logit.sigmoid()

    def values(self) -> Tensor:
        """The rates (layers,), through which gradients go."""
        return self.bounded(torch.stack(list(self.logits)))

    def shares(self, rates: Tensor) -> Tensor:
        """The shares (layers,) of scores that the rates (layers,) come to in whole numbers."""
        entries = self._there(
            rates.device,
            lambda: torch.tensor(self.entries, dtype=torch.float64, device=rates.device),
        )
        return (self.rounding(rates.double(), entries) / entries).to(rates.dtype)

    def counts(self) -> list[int]:
        """Number of scores each layer keeps.

        The host waits for the device once after each change of a rate.
        """

        def count() -> list[int]:
            shares = self.shares(self.values().double()).tolist()
            return [round(share * n) for share, n in zip(shares, self.entries, strict=True)]

        return self._counts((), count, *self.logits)

    def logit(self, rate: float) -> float:
        """The a whose rate is `rate`, with the sigmoid held inside [0.01, 0.99]."""
        inner = torch.tensor((rate - self.low) / (1 - self.low), dtype=torch.float64)
        return float(inner.clamp(0.01, 0.99).logit())


class RatedScored(Scored):
    """`Scored` whose share is learned: `logit` is a parameter.

    Its rate k gets dL/dk = sum(w * dL/du).
    """

    def __init__(self, scores: Tensor, shape: torch.Size, filters: int | None):
        super().__init__(scores, 0, shape, filters)

    def learn(self, rates: Rates, index: int) -> None:
        """Take the rate of that number among all of the network's."""
        self.logit = rates.logits[index]
        self._rates = rates
        self._index = index

    @property
    def kept(self) -> int:
        return self._rates.counts()[self._index]

    @property
    def rate(self) -> Tensor | None:
        learning = torch.is_grad_enabled() and self.logit.requires_grad
        return self._rates.bounded(self.logit) if learning else None
