"""Which of the masks that a search comes by is taken."""

from __future__ import annotations

from collections.abc import Callable

import torch
from mmengine.dist import all_reduce
from torch import Tensor, nn

FROZEN = 'weight.original'  # what a search never changes


class MaskChoice:
    """Takes one of the masks of a search; a subclass says which.

    Args:
        metric: of the validation, for a choice that goes by one.

    Attributes:
        value: what the kept state reached, or None while there is none.
        iteration: how many iterations were done at that point.
        state: all but the frozen weights of the network there.
        asked: whether any mask came up for the choice, eligible or not.
    """

    FIELDS = ('value', 'iteration', 'state', 'asked')

    def __init__(self, metric: str) -> None:
        self.metric = metric
        self.value: float | None = None
        self.iteration: int | None = None
        self.state: dict[str, Tensor] | None = None
        self.asked = False

    def check(self, metrics: dict) -> None:
        """Raise ValueError where a validation does not give what the choice goes by."""

    def before_iter(self, model: nn.Module, eligible: Callable[[], bool]) -> None:
        """The network before an update; `eligible` says whether its mask meets the target."""

    def after_iter(self, loss: Tensor, iteration: int) -> None:
        """The loss of the batch at the network of `before_iter`."""

    def after_val(
        self, model: nn.Module, metrics: dict, eligible: Callable[[], bool], iteration: int
    ) -> None:
        """The metrics of a validation."""

    def restore(self, model: nn.Module) -> None:
        """Put the chosen state into the network.

        Raises:
            ValueError: no mask met the target.
        """
        if not self.asked:
            raise ValueError(
                'no validation fell into the search, so no mask can be chosen by one; lower '
                "train_cfg.val_interval or take the last one with robust_prune.select='last'."
            )
        if self.state is None:
            raise ValueError(
                'no mask of the search met the target, so none can be taken; search for more '
                "epochs, raise the penalty (host=dict(type='HARP', growth=...)), or take the last "
                "one with robust_prune.select='last'."
            )
        own = model.state_dict()
        with torch.no_grad():
            for name, value in self.state.items():
                own[name].copy_(value)

    def state_dict(self) -> dict:
        """The choice so far, for a checkpoint."""
        return {name: getattr(self, name) for name in self.FIELDS}

    def load_state_dict(self, state: dict) -> None:
        """Take up what `state_dict` gave."""
        for name in self.FIELDS:
            setattr(self, name, state[name])


class LastMask(MaskChoice):
    """The mask of the last iteration."""

    def restore(self, model: nn.Module) -> None:
        """The network has it."""


class BestMask(MaskChoice):
    """The mask with the highest metric among the validations at which the target was met."""

    def check(self, metrics: dict) -> None:
        if self.metric not in metrics:
            raise ValueError(
                f"robust_prune.metric='{self.metric}' is no metric of the validation (it gives "
                f'{", ".join(metrics)}); name one of these, or use '
                "val_cfg=dict(type='mmrobustprune.AttackedValLoop')."
            )

    def after_val(
        self, model: nn.Module, metrics: dict, eligible: Callable[[], bool], iteration: int
    ) -> None:
        self.check(metrics)
        self.asked = True
        value = float(metrics[self.metric])
        if eligible() and (self.value is None or value > self.value):
            self.value = value
            self.iteration = iteration
            self.state = searched_state(model)


class LeastLossMask(MaskChoice):
    """The mask at which a batch had the least loss; lucky batches decide.

    Algorithm 1 of S2AP as it is printed.
    """

    def before_iter(self, model: nn.Module, eligible: Callable[[], bool]) -> None:
        self._now = searched_state(model) if eligible() else None

    def after_iter(self, loss: Tensor, iteration: int) -> None:
        loss = loss.detach().clone()
        all_reduce(loss, 'mean')  # so that every process takes the same mask
        self.asked = True
        value = float(loss)
        if self._now is not None and (self.value is None or value < self.value):
            self.value = value
            self.iteration = iteration
            self.state = self._now


CHOICES: dict[str, type[MaskChoice]] = dict(last=LastMask, best=BestMask, loss=LeastLossMask)


def searched_state(model: nn.Module) -> dict[str, Tensor]:
    """A copy of everything that a search changes: scores, rates, normalisation, buffers."""
    return {
        name: value.detach().cpu().clone()
        for name, value in model.state_dict().items()
        if not name.endswith(FROZEN)
    }
