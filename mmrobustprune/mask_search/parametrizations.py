"""What a layer's weight goes through: a learned mask in the search, a given one afterwards."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .cache import Cache
from .topk import top_mask


def straight_through(
    weight: Tensor, scores: Tensor, hard: Tensor, rate: Tensor | None = None
) -> Tensor:
    """u = w * hard, with gradients as if the mask were |s| (HYDRA, arXiv 2002.10509).

    With G = dL/du: dL/dw = G * hard, dL/ds = sign(s) * w * G for every entry, removed ones
    included, and dL/drate = sum(w * G) (HARP, OpenReview sAJDi9lD06L). The backward pass can be
    differentiated again: the Hessian in s is D H_u D with D = diag(sign(s) * w).

    Args:
        weight: (out, in, ...).
        scores: the weight's shape, or one that broadcasts to it such as (1, in, 1, 1).
        hard: the mask of the scores' shape, bool or, many times faster on a CPU, 0 and 1 in the
            weight's type.
        rate: the share kept, a scalar; only its gradient matters.

    Returns:
        The masked weight, of the weight's shape.
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


class Scored(nn.Module):
    """u = w * (|s| is among the `kept` largest), straight through to the scores.

    The mask is made again only after the scores have changed in place, were replaced, or `kept`
    has changed, so that all forward passes of a batch share it; a change through `scores.data`
    goes unseen.

    Args:
        scores: the weight's shape, or one that broadcasts to it such as (1, in, 1, 1); a parameter
            stays the one it is, so that several layers can share it.
        kept: how many of them stay, at least 1.
        shape: the scores are seen in, where they are a parameter of another shape.
        filters: the weight's dimension along which every filter keeps its largest score.

    Attributes:
        scores: the parameter.
        rate: the share kept as a scalar that takes a gradient, or None where it is not learned.
    """

    rate: Tensor | None = None

    def __init__(
        self,
        scores: Tensor,
        kept: int,
        shape: torch.Size | None = None,
        filters: int | None = None,
    ):
        super().__init__()
        shared = isinstance(scores, nn.Parameter)
        self.scores = scores if shared else nn.Parameter(scores.detach().clone())
        self.shape = torch.Size(scores.shape if shape is None else shape)
        self.filters = filters
        self._kept = kept
        self._factor = Cache()

    @property
    def kept(self) -> int:
        """Number of scores that stay."""
        return self._kept

    @property
    def hard(self) -> Tensor:
        """The mask, bool, in `shape`."""
        return self.factor().bool()

    def factor(self) -> Tensor:
        """The mask as 0 and 1 of the scores' type and in `shape`, to multiply with."""
        scores = self.scores
        kept = self.kept
        key = (kept, scores.device, scores.dtype)
        return self._factor(key, lambda: top_mask(self._seen(), kept, self.filters), scores)

    def forward(self, weight: Tensor) -> Tensor:
        return straight_through(weight, self._seen(), self.factor(), self.rate)

    def _seen(self) -> Tensor:
        """The scores in `shape`."""
        own = self.scores.shape == self.shape
        return self.scores if own else self.scores.view(self.shape)

    def extra_repr(self) -> str:
        return f'scores={tuple(self.scores.shape)}'


class Kept(nn.Module):
    """u = w * mask, with the mask (bool, the weight's shape) as a buffer."""

    def __init__(self, mask: Tensor):
        super().__init__()
        self.register_buffer('mask', mask.detach().bool().clone())
        self._factor = Cache()

    def forward(self, weight: Tensor) -> Tensor:
        mask = self.mask
        key = (mask.device, weight.dtype)
        return weight * self._factor(key, lambda: mask.to(weight.dtype), mask)
