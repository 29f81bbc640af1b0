"""What a model is set to and keeps beside its weights: mode, gradient flags, buffers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
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


@contextmanager
def frozen_buffers(model: nn.Module) -> Iterator[None]:
    """Afterwards every buffer (BatchNorm statistics, counters, queues) is what it was before."""
    kept = []
    for module in model.modules():
        for name, buffer in module._buffers.items():
            if buffer is not None:
                kept.append((module, name, buffer, buffer.clone()))
    try:
        yield
    finally:
        with torch.no_grad():
            for module, name, buffer, value in kept:
                buffer.copy_(value)
                module._buffers[name] = buffer


def drop_nothing(model: nn.Module) -> None:
    """Put dropout and stochastic depth, whatever they are called, into evaluation mode."""
    for module in model.modules():
        if 'Drop' in type(module).__name__:
            module.eval()
