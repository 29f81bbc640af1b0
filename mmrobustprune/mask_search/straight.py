"""The straight-through estimator of masks made from scores."""

from __future__ import annotations

import torch
from torch import Tensor


def straight_through(
    weight: Tensor, scores: Tensor, hard: Tensor, rate: Tensor | None = None
) -> Tensor:
    """u = w * hard, with gradients as if the mask were |s| (HYDRA, arXiv 2002.10509).

    With G = dL/du: dL/dw = G * hard, dL/ds = sign(s) * w * G for every entry, removed ones included,
    and dL/drate = sum(w * G) (HARP, OpenReview sAJDi9lD06L). The backward pass can be differentiated again: the
    Hessian in s is D H_u D with D = diag(sign(s) * w).

    Args:
        weight: (out, in, ...).
        scores: the weight's shape, or one that broadcasts to it such as (1, in, 1, 1).
        hard: the mask of the scores' shape, bool or, many times faster on a CPU, 0 and 1 in the weight's type.
        rate: the share kept, a scalar; only its gradient matters.
    """
    return _StraightThrough.apply(weight, scores, hard, rate)


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx, weight, scores, hard, rate):
        ctx.save_for_backward(weight, scores, hard)
        return weight * hard

    @staticmethod
    def backward(ctx, grad):
        weight, scores, hard = ctx.saved_tensors
        for_weight, for_scores, _, for_rate = ctx.needs_input_grad
        by_mask = (grad * weight).sum_to_size(scores.shape) if for_scores or for_rate else None
        return (
            grad * hard if for_weight else None,
            by_mask * scores.sign() if for_scores else None,
            None,
            by_mask.sum() if for_rate else None,
        )
