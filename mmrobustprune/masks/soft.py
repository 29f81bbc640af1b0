"""Masks that may still change their mind: removed units can come back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from mmrobustprune.dependency.groups import Group, full

from .maskset import MaskSet


class SoftMaskSet(MaskSet):
    """A mask set that remembers the weights it removes, so that their units can come back.

    All that belongs to a removed unit is zero, on both sides of it, and gradients alone would
    leave it there. A unit that comes back has the weights it was removed with, no momentum, and
    the running statistics that its normalisation has come to meanwhile. A selection brings units
    back that are among its `candidates` (`mmrobustprune.dependency.groups.full` names all).

    Args:
        model: the network; one more copy of its masked parameters is kept.
        groups: its groups of channels.
    """

    def __init__(self, model: nn.Module, groups: Iterable[Group]):
        super().__init__(model, groups)
        self._aside = {name: torch.zeros_like(value) for name, value in self._owned()}

    def remove(
        self, alive: dict[str, Tensor], optimizer: torch.optim.Optimizer | None = None
    ) -> None:
        """Remove every unit that `alive` does not hold, and bring back those that it holds again.

        Arguments and errors: `MaskSet.remove`, where no unit can come back.
        """
        before = {name: self._mask(name, value) for name, value in self._owned()}
        values = {name: value.detach().clone() for name, value in self._owned()}
        self._take(self._checked(alive), optimizer)
        with torch.no_grad():
            for name, parameter in self._owned():
                now = self._mask(name, parameter)
                back = before[name] & ~now
                parameter.copy_(torch.where(back, self._aside[name], parameter))
                self._aside[name] = torch.where(
                    now & ~before[name], values[name], self._aside[name]
                )

    def candidates(self) -> dict[str, Tensor]:
        """All units may come back."""
        return full(self.groups)

    @contextmanager
    def revived(self) -> Iterator[None]:
        """Inside, removed units have the weights they were removed with, for a score to rank."""
        with torch.no_grad():
            for name, parameter in self._owned():
                gone = self._mask(name, parameter)
                parameter.copy_(torch.where(gone, self._aside[name], parameter))
        try:
            yield
        finally:
            self._take({})

    def state_dict(self) -> dict[str, dict[str, Tensor]]:
        """`alive` of each group, and the weights `aside` of each parameter."""
        aside = {name: value.clone() for name, value in self._aside.items()}
        return dict(alive=super().state_dict(), aside=aside)

    def load_state_dict(self, state: dict[str, dict[str, Tensor]]) -> None:
        """Take up the masks of a saved run, zero what they removed, and what it had been.

        Raises:
            ValueError: the masks are of another model.
        """
        super().load_state_dict(state['alive'])
        self._aside = {name: state['aside'][name].to(value) for name, value in self._owned()}

    def _owned(self) -> Iterator[tuple[str, nn.Parameter]]:
        """The parameters that the groups' units own entries of."""
        for name, parameter in self.model.named_parameters(remove_duplicate=False):
            if name in self._owners:
                yield name, parameter
