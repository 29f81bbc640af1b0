"""How the scores of a search are stepped: by the optimizer as it is, or by normalised gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from mmrobustprune.sharpness.rules import stretch_to_


def as_given(optimizer: Optimizer, scores: Sequence[nn.Parameter]) -> None:
    """The gradients as they are."""


def normalised(optimizer: Optimizer, scores: Sequence[nn.Parameter]) -> None:
    """Before every step g becomes g / ||g||, with the norm over all scores (S2AP, Algorithm 1).

    A step of SGD without momentum and weight decay is then s <- s - eta g / ||g||. What is no score
    is stepped as ever.
    """

    @torch.no_grad()
    def shorten(optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        gradients = [one.grad for one in scores if one.grad is not None]
        if gradients:
            stretch_to_(gradients, 1.0)

    optimizer.register_step_pre_hook(shorten)


UPDATES: dict[str, Callable[[Optimizer, Sequence[nn.Parameter]], None]] = dict(
    optimizer=as_given, normalised=normalised
)
