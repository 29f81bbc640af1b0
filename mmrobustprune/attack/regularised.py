"""Losses of two terms, of clean and of attacked images: TRADES and MART."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from .classifier import Classifier, Function
from .loss_base import Stepping
from .training import Objective


@dataclass(kw_only=True)
class Regularised(Stepping):
    """Two terms, of clean and of attacked images.

    There are two forward passes, x' first and x second, so that BatchNorm normalises each by its
    own statistics, and its running ones see one batch of each, the clean one last.

    Attributes:
        beta: weight of the second term.
        noise: standard deviation of the Gaussian start; at x itself KL has no slope.
    """

    beta: float
    noise: float = 0.001

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check('beta')
        self._check('noise')

    def start(self, x: Tensor) -> Tensor:
        return x + self.noise * torch.randn_like(x)

    def __call__(
        self, logits: Function, x: Tensor, attacked: Tensor, y: Tensor
    ) -> dict[str, Tensor]:
        moved = F.log_softmax(logits(attacked).float(), 1)
        clean = F.log_softmax(logits(x).float(), 1)
        return self.terms(clean, moved, y)

    @abstractmethod
    def terms(self, clean: Tensor, moved: Tensor, y: Tensor) -> dict[str, Tensor]:
        """The loss of log-probabilities (N, classes) of clean and attacked images."""


@dataclass(kw_only=True)
class TRADES(Regularised):
    """L = CE(f(x), y) + beta * 1/N sum_n KL(p(x_n) || p(x'_n)), p = softmax(f).

    x' raises KL (arXiv 1901.08573). The gradient passes through p(x) and p(x').
    """

    beta: float = 6.0

    def objective(self, model: Classifier, x: Tensor, y: Tensor) -> Objective:
        with torch.no_grad():
            clean = F.log_softmax(model(x).float(), 1)
        return lambda logits: divergence(clean, F.log_softmax(logits, 1)).sum()

    def terms(self, clean: Tensor, moved: Tensor, y: Tensor) -> dict[str, Tensor]:
        robust = self.beta * divergence(clean, moved).mean()
        return dict(loss_clean=F.nll_loss(clean, y), loss_robust=robust)


@dataclass(kw_only=True)
class MART(Regularised):
    """L = BCE + beta * 1/N sum_n (1 - p_y(x_n)) KL(p(x_n) || p(x'_n)) (Wang et al., ICLR 2020).

    BCE = 1/N sum_n -log p_y(x'_n) - log(1 - max_{j != y} p_j(x'_n)); x' raises cross-entropy.
    """

    beta: float = 5.0

    def terms(self, clean: Tensor, moved: Tensor, y: Tensor) -> dict[str, Tensor]:
        label = y[:, None]
        rival = moved.detach().scatter(1, label, -torch.inf).argmax(1, keepdim=True)
        # log(1 - p_rival), exact where p_rival is close to 1
        others = moved.scatter(1, rival, -torch.inf).logsumexp(1)
        doubt = 1 - clean.exp().gather(1, label)[:, 0]
        return dict(
            loss_boosted=F.nll_loss(moved, y) - others.mean(),
            loss_robust=self.beta * (doubt * divergence(clean, moved)).mean(),
        )


def divergence(clean: Tensor, moved: Tensor) -> Tensor:
    """KL(p || q) (N,) of log-probabilities log p, log q (N, classes)."""
    return F.kl_div(moved, clean, reduction='none', log_target=True).sum(1)
