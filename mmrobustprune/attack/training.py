"""Attacks for training: images that raise a loss of the logits, by input gradients alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from .classifier import Function, frozen, full_range
from .folding import folded_norms

Objective = Callable[[Tensor], Tensor]  # logits (N, classes) -> scalar, a sum over images


@contextmanager
def attacking(model: nn.Module, like: Tensor | None = None) -> Iterator[None]:
    """Evaluation mode and no gradients of parameters; afterwards all is as before.

    Parametrized weights and maps of BatchNorm are computed once. With images as the model takes
    them BatchNorm goes into the convolutions, see `folded_norms`.
    """
    with frozen(model), cached_weights(), folded_norms(model, like):
        yield


@contextmanager
def cached_weights() -> Iterator[None]:
    """`parametrize.cached()` with a cache of its own.

    A weight computed inside, without its graph, is not seen outside.
    """
    outer = parametrize._cache
    parametrize._cache = {}
    try:
        with parametrize.cached():
            yield
    finally:
        parametrize._cache = outer


def climb(
    logits: Function,
    x: Tensor,
    start: Tensor,
    objective: Objective,
    eps: float,
    step: float,
    steps: int,
) -> Tensor:
    """x' <- clamp(project(x' + step * sign(d objective(logits(x')) / dx'))), from `start`.

    Args:
        logits: pixels -> (N, classes).
        x, start: (N, C, H, W), x in [0, 1]; the start is brought into the ball and into [0, 1].
        objective: what rises; a sum over images, so that each moves by its own gradient.
        eps, step: radius and length of a step, in units of pixels in [0, 1].
        steps: their number.
    Returns:
        x' (N, C, H, W), within eps of x and in [0, 1], with no graph.
    """
    low = (x - eps).clamp_min(0)
    high = (x + eps).clamp_max(1)
    point = start.clamp(low, high)
    for _ in range(steps):
        point = point.detach().requires_grad_()
        with torch.enable_grad(), full_range(point):
            (gradient,) = torch.autograd.grad(objective(logits(point).float()), point)
        point = (point.detach() + step * gradient.sign()).clamp(low, high)
    return point.detach()
