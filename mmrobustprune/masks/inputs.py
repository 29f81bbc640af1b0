"""Masks of what layers read, under which all weights learn on, as SMCP has them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from mmrobustprune.dependency.groups import Group, find_layer
from mmrobustprune.dependency.kinds import blocks_of, over_tensor

from .maskset import MaskSet
from .regrowing import RegrowingMaskSet


class InputMaskSet(RegrowingMaskSet):
    """A mask set that hides from the layers what they read of dead units.

    The network computes with m w, where m is zero at the weights that read a dead unit; its
    gradient is taken for that of w (straight through), so that hidden weights learn on as well, and
    a unit may come back with what they have become (SMCP, arXiv:2211.02206). Between two steps the
    network holds m w, and the hidden weights lie aside. Filters and normalisations of dead units
    stay as they are. With `settle` it becomes a `MaskSet`.

    Args:
        model: the network; a copy of what its layers read by is kept.
        groups: its groups of channels.
    """

    def __init__(self, model: nn.Module, groups: Iterable[Group]):
        self._aside: dict[str, Tensor] = {}  # name of a weight -> all of it
        self._open = False  # whether the network holds w instead of m w
        super().__init__(model, groups)

    def remove(
        self, alive: dict[str, Tensor], optimizer: torch.optim.Optimizer | None = None
    ) -> None:
        """Hide what is read of every unit that `alive` does not hold; all others are seen.

        Arguments and errors: `MaskSet.remove`, where no unit can come back.
        """
        fresh = self._checked(alive)
        self._reveal()
        self.alive = self.alive | fresh
        self._refresh()
        self._hide()

    def attach(self, optimizer: torch.optim.Optimizer | None = None) -> None:
        """Let the steps of the optimizer move the hidden weights, too, until masks are settled."""
        if self._settled or optimizer is None:
            super().attach()
            return
        self._handles += [
            optimizer.register_step_pre_hook(lambda *_: self._reveal()),
            optimizer.register_step_post_hook(lambda *_: self._hide()),
        ]

    def settle(self, optimizer: torch.optim.Optimizer | None = None) -> None:
        self.detach()
        self._aside = {}
        super().settle(optimizer)

    @contextmanager
    def revived(self) -> Iterator[None]:
        """Inside, hidden weights are what they have become, for a score to rank."""
        if self._open:
            yield
            return
        self._reveal()
        try:
            yield
        finally:
            self._hide()

    def resume_model(self, other: nn.Module) -> None:
        """`mask_model`: what is hidden from a copy has not grown."""
        self.mask_model(other)

    def state_dict(self) -> dict[str, dict[str, Tensor]]:
        """`alive` of each group, and the weights `aside`."""
        return dict(alive=super().state_dict(), aside=dict(self._aside))

    def load_state_dict(self, state: dict[str, dict[str, Tensor]]) -> None:
        """Take up the masks of a saved run, and what they hide.

        Raises:
            ValueError: the masks are of another model.
        """
        super().load_state_dict(state['alive'])
        self._aside = {
            name: state['aside'][name].to(weight)
            for name, weight, _ in self._reading(self.model)
            if name in state['aside']
        }
        self._zero(self.model, None)

    @torch.no_grad()
    def _reveal(self) -> None:
        self._open = True
        for name, weight, dead in self._reading(self.model):
            if name in self._aside:
                weight.copy_(torch.where(dead, self._aside[name], weight))

    @torch.no_grad()
    def _hide(self) -> None:
        self._open = False
        if not self._settled:
            reading = self._reading(self.model)
            self._aside = {name: weight.detach().clone() for name, weight, _ in reading}
            self._zero(self.model, None)

    @torch.no_grad()
    def _zero(self, model: nn.Module, optimizer: torch.optim.Optimizer | None) -> None:
        if self._settled:
            MaskSet._zero(self, model, optimizer)
            return
        for _, weight, dead in self._reading(model):
            weight.masked_fill_(dead, 0)
        self._count(model)

    def _reading(self, model: nn.Module) -> Iterator[tuple[str, nn.Parameter, Tensor]]:
        """Name, weight and hidden entries of every weight that reads a dead unit."""
        for name, weight in model.named_parameters(remove_duplicate=False):
            sides = [
                (layer, dim)
                for layer, side, dim in self._owners.get(name, ())
                if side == 'in' and self._dead[layer, side].any()
            ]
            for layer, dim in sides:
                blocks = blocks_of(find_layer(model, layer), 'in')
                dead = over_tensor(self._dead[layer, 'in'], weight, dim, blocks)
                yield name, weight, dead.to(weight.device)
