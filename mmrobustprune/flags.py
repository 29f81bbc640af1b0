"""What a model is set to: training or evaluation, and which parameters have gradients."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def flags_restored(model: nn.Module) -> Iterator[None]:
    """Training and gradient flags stand afterwards as before, whatever happens inside."""
    training = [(module, module.training) for module in model.modules()]
    gradient = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    try:
        yield
    finally:
        for module, flag in training:
            module.training = flag
        for parameter, flag in gradient:
            parameter.requires_grad_(flag)
