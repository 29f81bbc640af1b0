"""What a layer's weight goes through: a learned mask while it is searched, a given one afterwards."""

from __future__ import annotations

from torch import Tensor, nn

from .cache import Cache
from .straight import straight_through
from .topk import top_mask


class Scored(nn.Module):
    """u = w * (|s| is among the `kept` largest), straight through to the scores.

    The mask is made again only after the scores have changed in place, were replaced, or `kept` has
    changed, so that all forward passes of a batch share it; a change through ``scores.data`` goes unseen.

    Args:
        scores: the weight's shape, or one that broadcasts to it such as (1, in, 1, 1).
        kept: how many of them stay, at least 1.

    Attributes:
        scores: the parameter.
        rate: the share kept as a scalar that takes a gradient, or None where it is not learned.
    """

    rate: Tensor | None = None

    def __init__(self, scores: Tensor, kept: int):
        super().__init__()
        self.scores = nn.Parameter(scores.detach().clone())
        self._kept, self._factor = kept, Cache()

    @property
    def kept(self) -> int:
        """Number of scores that stay."""
        return self._kept

    @property
    def hard(self) -> Tensor:
        """The mask, bool, in the scores' shape."""
        return self.factor().bool()

    def factor(self) -> Tensor:
        """The mask as 0 and 1 of the scores' type, to multiply with."""
        scores, kept = self.scores, self.kept
        return self._factor(
            (kept, scores.device, scores.dtype), lambda: top_mask(scores, kept), scores
        )

    def forward(self, weight: Tensor) -> Tensor:
        return straight_through(weight, self.scores, self.factor(), self.rate)

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
        return weight * self._factor(
            (mask.device, weight.dtype), lambda: mask.to(weight.dtype), mask
        )
