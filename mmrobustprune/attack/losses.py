"""Losses of adversarial training, each with the attack that it is made for, by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from mmrobustprune.naming import build

from .classifier import Classifier, Function
from .free import FreeAT
from .loss_base import Climbing, RobustLoss, Stepping, cross_entropy
from .regularised import MART, TRADES


@dataclass(kw_only=True)
class CrossEntropy(RobustLoss):
    """L = CE(f(x), y): training without attack."""

    attacks: ClassVar[bool] = False

    def craft(self, model: Classifier, x: Tensor, y: Tensor) -> None:
        return None

    def __call__(
        self, logits: Function, x: Tensor, attacked: Tensor | None, y: Tensor
    ) -> dict[str, Tensor]:
        return dict(loss_clean=cross_entropy(logits(x), y))


@dataclass(kw_only=True)
class PGDAT(Stepping):
    """L = CE(f(x'), y), x' by PGD from a uniform start (arXiv 1706.06083)."""

    def __call__(
        self, logits: Function, x: Tensor, attacked: Tensor, y: Tensor
    ) -> dict[str, Tensor]:
        return dict(loss_robust=cross_entropy(logits(attacked), y))


@dataclass(kw_only=True)
class FastAT(Climbing):
    """L = CE(f(x'), y), x' by one long step from a uniform start (arXiv 2001.03994).

    Attributes:
        stride: length of the step in units of eps.
    """

    stride: float = 1.25

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check('stride')

    def moves(self) -> tuple[float, int]:
        return self.stride * self.eps, 1

    def __call__(
        self, logits: Function, x: Tensor, attacked: Tensor, y: Tensor
    ) -> dict[str, Tensor]:
        return dict(loss_robust=cross_entropy(logits(attacked), y))


LOSSES: dict[str, type[RobustLoss]] = {
    kind.__name__: kind for kind in (TRADES, PGDAT, FreeAT, FastAT, MART, CrossEntropy)
}


def build_robust_loss(config: Mapping[str, Any] | RobustLoss) -> RobustLoss:
    """The loss of dict(type='TRADES', beta=6.0, eps=8/255, ...), or the loss itself.

    Raises:
        TypeError: neither a dict nor a loss.
        ValueError: an unknown type or field, or a value that is not allowed.
    """
    return build(
        config, 'robust loss', RobustLoss, LOSSES, "robust_loss=dict(type='TRADES', beta=6.0)"
    )
