"""Focal loss (Lin et al., ICCV 2017) of sigmoid and of softmax probabilities.

Probabilities below the smallest normal number count as that number, so that no loss is infinite.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .precision import wide

OPERATORS = (
    'sigmoid_focal_loss_forward',
    'sigmoid_focal_loss_backward',
    'softmax_focal_loss_forward',
    'softmax_focal_loss_backward',
)
TINY = torch.finfo(torch.float32).tiny


def sigmoid_focal_loss_forward(
    input: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """-alpha (1 - p)^gamma log p for a row's own class, -(1 - alpha) p^gamma log(1 - p) for others.

    Args:
        input: (N, C) logits.
        target: (N,) classes; C is the background, to which no column belongs.
        weight: (C,), the factor of a row by its class, or of no elements.
        output: (N, C), written.
    """
    p = wide(input).sigmoid()
    own = (1 - p) ** gamma * _log(p)
    other = p**gamma * _log(1 - p)
    output.copy_(_of_classes(own, other, alpha, target) * _row_weights(weight, target, p)[:, None])


def sigmoid_focal_loss_backward(
    input: Tensor, target: Tensor, weight: Tensor, grad_input: Tensor, gamma: float, alpha: float
) -> None:
    """The derivative of every loss by its logit, written into `grad_input` (N, C).

    -alpha (1 - p)^gamma (1 - p - gamma p log p) for a row's own class, and
    -(1 - alpha) p^gamma (gamma (1 - p) log(1 - p) - p) for the others.
    """
    p = wide(input).sigmoid()
    own = (1 - p) ** gamma * (1 - p - gamma * p * _log(p))
    other = p**gamma * (gamma * (1 - p) * _log(1 - p) - p)
    grad_input.copy_(
        _of_classes(own, other, alpha, target) * _row_weights(weight, target, p)[:, None]
    )


def softmax_focal_loss_forward(
    softmax: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """-alpha (1 - p)^gamma log p of a row's own class; 0 for rows of a negative class.

    Args:
        softmax: (N, C) probabilities.
        target: (N,) classes.
        weight: (C,) or of no elements.
        output: (N,), written.
    """
    p = _of_target(softmax, target)
    loss = -alpha * (1 - p) ** gamma * _log(p) * _row_weights(weight, target, p)
    output.copy_(loss.masked_fill(target < 0, 0))


def softmax_focal_loss_backward(
    softmax: Tensor,
    target: Tensor,
    weight: Tensor,
    buff: Tensor,
    grad_input: Tensor,
    gamma: float,
    alpha: float,
) -> None:
    """The derivatives of every loss by its row of logits, written into `grad_input` (N, C).

    p dloss/dp (1 - p_c) for the row's own class, -p dloss/dp p_c for the others, where
    p dloss/dp = alpha (gamma (1 - p)^(gamma - 1) p log p - (1 - p)^gamma), left in `buff` (N,).
    """
    p = _of_target(softmax, target)
    slope = alpha * (gamma * (1 - p) ** (gamma - 1) * p * _log(p) - (1 - p) ** gamma)
    slope = slope * _row_weights(weight, target, p)
    buff.copy_(slope.masked_fill(target < 0, 0))
    classes = torch.arange(softmax.shape[1], device=softmax.device)
    is_own = target[:, None] == classes
    grad_input.copy_(buff[:, None] * (is_own.to(p) - wide(softmax)))


def _log(p: Tensor) -> Tensor:
    return p.clamp(min=TINY).log()


def _of_classes(own: Tensor, other: Tensor, alpha: float, target: Tensor) -> Tensor:
    classes = torch.arange(own.shape[1], device=own.device)
    return torch.where(target[:, None] == classes, -alpha * own, -(1 - alpha) * other)


def _of_target(softmax: Tensor, target: Tensor) -> Tensor:
    return wide(softmax).gather(1, target.clamp(min=0)[:, None])[:, 0]


def _row_weights(weight: Tensor, target: Tensor, like: Tensor) -> Tensor:
    """(N,): the weight of each row's class, 1 where there are no weights."""
    if weight.numel() == 0:
        return like.new_ones(len(target))
    return weight.to(like)[target.clamp(min=0)]
