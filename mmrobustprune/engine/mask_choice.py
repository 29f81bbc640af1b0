"""Which of the masks that a search comes by is taken."""
from __future__ import annotations

from collections.abc import Callable

import torch
from mmengine.dist import all_reduce
from torch import Tensor, nn

FROZEN = 'weight.original'   # what a search never changes


class Last:
    """The mask of the last iteration.

    Attributes:
        value: what the kept state reached, or None while there is none.
        state: all but the frozen weights of the network at that point.
    """

    def __init__(self, metric: str) -> None:
        self.metric, self.value, self.state = metric, None, None

    def before_iter(self, model: nn.Module) -> None:
        """The network before an update."""

    def after_iter(self, loss: Tensor, eligible: Callable[[], bool]) -> None:
        """The loss of the batch at the network of `before_iter`."""

    def after_val(self, model: nn.Module, metrics: dict, eligible: Callable[[], bool]) -> None:
        """The metrics of a validation; `eligible` says whether the mask meets the target."""

    def restore(self, model: nn.Module) -> None:
        """Put the chosen state into the network.

        Raises:
            ValueError: no mask met the target.
        """

    def state_dict(self) -> dict:
        return dict(value=self.value, state=self.state)

    def load_state_dict(self, state: dict) -> None:
        self.value, self.state = state['value'], state['state']

    def _take(self, value: float, state: dict[str, Tensor]) -> None:
        self.value, self.state = value, state

    def _load(self, model: nn.Module) -> None:
        if self.state is None:
            raise ValueError('no mask of the search met the target, so none can be taken; search for more epochs, raise the '
                             "penalty (host=dict(type='HARP', growth=...)), or take the last one with robust_prune.select='last'.")
        own = model.state_dict()
        with torch.no_grad():
            for name, value in self.state.items():
                own[name].copy_(value)


class Best(Last):
    """The mask with the highest metric among the validations at which the target was met."""

    def after_val(self, model: nn.Module, metrics: dict, eligible: Callable[[], bool]) -> None:
        if self.metric not in metrics:
            raise ValueError(f"robust_prune.metric='{self.metric}' is no metric of the validation (it gives "
                             f"{', '.join(metrics)}); name one of these, or use val_cfg=dict(type='mmrobustprune.AttackedValLoop').")
        value = float(metrics[self.metric])
        if eligible() and (self.value is None or value > self.value):
            self._take(value, searched_state(model))

    def restore(self, model: nn.Module) -> None:
        self._load(model)


class LeastLoss(Last):
    """The mask at which a batch had the least loss, as Algorithm 1 of S2AP is printed; lucky batches decide."""

    def before_iter(self, model: nn.Module) -> None:
        self._now = searched_state(model)

    def after_iter(self, loss: Tensor, eligible: Callable[[], bool]) -> None:
        loss = loss.detach().clone()
        all_reduce(loss, 'mean')   # so that every process takes the same mask
        loss = float(loss)
        if (self.value is None or loss < self.value) and eligible():
            self._take(loss, self._now)

    def restore(self, model: nn.Module) -> None:
        self._load(model)


CHOICES: dict[str, type[Last]] = dict(last=Last, best=Best, loss=LeastLoss)


def searched_state(model: nn.Module) -> dict[str, Tensor]:
    """A copy of everything that a search changes: scores, rates, normalisation, buffers."""
    return {name: value.detach().cpu().clone() for name, value in model.state_dict().items() if not name.endswith(FROZEN)}
