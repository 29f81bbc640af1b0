"""Free adversarial training: one backward pass moves weights and images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from .classifier import Classifier, Function
from .loss_base import RobustLoss, cross_entropy


@dataclass(kw_only=True)
class FreeAT(RobustLoss):
    """L = CE(f(x + d), y) on batches that come several times in a row (arXiv 1904.12843).

    One backward pass moves weights and d: d <- clamp(d + eps * sign(dL/dd), -eps, eps), one d per
    place in the batch, carried from batch to batch and zero at the beginning of the training (HYDRA
    and HARP zero it in every epoch). There is no attack of its own: the model stays in training
    mode. The repeats are the data loader's (`mmrobustprune.ReplayedBatchSampler`); a step in two
    passes moves d by the first.

    Attributes:
        eps: radius and step, in units of pixels in [0, 1]; '4/255' may be written as text.
    """

    eps: float = 8 / 255
    _noise: Tensor | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._pixels('eps')

    def craft(self, model: Classifier, x: Tensor, y: Tensor) -> Tensor:
        moved = x + self._places(x)
        inside = (moved >= 0) & (moved <= 1)  # beyond, the clamp lets no gradient through
        attacked = moved.clamp(0, 1).requires_grad_()
        due = [inside]

        def follow(gradient: Tensor) -> None:
            if due:  # the first backward pass alone
                step = torch.nan_to_num(gradient.sign(), 0.0) * due.pop()
                noise = self._noise[: len(step)]
                noise.copy_((noise + self.eps * step).clamp(-self.eps, self.eps))

        attacked.register_hook(follow)
        return attacked

    def __call__(
        self, logits: Function, x: Tensor, attacked: Tensor, y: Tensor
    ) -> dict[str, Tensor]:
        return dict(loss_robust=cross_entropy(logits(attacked), y))

    def state(self) -> dict[str, Any]:
        return {} if self._noise is None else dict(noise=self._noise.cpu())

    def load_state(self, state: Mapping[str, Any]) -> None:
        self._noise = state['noise'].clone() if 'noise' in state else None

    def _places(self, x: Tensor) -> Tensor:
        """d of the places of this batch (N, C, H, W); a new image size begins at zero."""
        noise = self._noise
        if noise is None or noise.shape[1:] != x.shape[1:]:
            noise = x.new_zeros(0, *x.shape[1:])
        missing = max(len(x) - len(noise), 0)
        self._noise = torch.cat([noise.to(x), x.new_zeros(missing, *x.shape[1:])])
        return self._noise[: len(x)]
