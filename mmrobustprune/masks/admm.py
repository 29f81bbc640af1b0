"""Masks of filters that the weights are pulled towards (ADMM)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from mmrobustprune.dependency.groups import Group

from .maskset import MaskSet
from .regrowing import RegrowingMaskSet


class ADMMMaskSet(RegrowingMaskSet):
    """A mask set that zeroes nothing until it is settled: the loss pulls the weights to it.

    min L(w) where filters of dead units are zero is split in two: w learns under
    L(w) + rho / 2 ||w - z + u||^2, and every choice sets z = the projection of w + u, which is it
    with the filters of dead units at zero, and then u = u + w - z (alternating directions).
    Before the first choice nothing pulls. With `settle` it becomes a `MaskSet`.

    Args:
        model: the network.
        groups: its groups of channels.
        rho: of the pull, >= 0.
    """

    def __init__(self, model: nn.Module, groups: Iterable[Group], rho: float):
        super().__init__(model, groups)
        self.rho = rho
        self._z: dict[str, Tensor] = {}  # name of a weight -> of its shape; u likewise
        self._u: dict[str, Tensor] = {}

    @torch.no_grad()
    def remove(
        self, alive: dict[str, Tensor], optimizer: torch.optim.Optimizer | None = None
    ) -> None:
        """Pull the filters of every unit that `alive` does not hold towards zero from now on.

        Arguments and errors: `MaskSet.remove`, where no unit can come back.
        """
        super().remove(alive, optimizer)
        for name, weight, dead in self._makers(self.model):
            aim = weight + self._u.get(name, torch.zeros_like(weight))
            self._z[name] = aim.masked_fill(dead, 0)
            self._u[name] = aim - self._z[name]

    def penalty(self) -> Tensor | None:
        if self._settled or not self._z:
            return None
        apart = [
            (weight - self._z[name] + self._u[name]).square().sum()
            for name, weight, _ in self._makers(self.model)
        ]
        return self.rho / 2 * torch.stack(apart).sum()

    @contextmanager
    def revived(self) -> Iterator[None]:
        """Inside, weights are w + u, which is what the choice projects."""
        weights = {name: weight.detach().clone() for name, weight, _ in self._makers(self.model)}
        with torch.no_grad():
            for name, weight, _ in self._makers(self.model):
                weight.add_(self._u.get(name, 0))
        try:
            yield
        finally:
            with torch.no_grad():
                for name, weight, _ in self._makers(self.model):
                    weight.copy_(weights[name])

    def state_dict(self) -> dict[str, dict[str, Tensor]]:
        """`alive` of each group, and `z` and `u` of each weight."""
        return dict(alive=super().state_dict(), z=dict(self._z), u=dict(self._u))

    def load_state_dict(self, state: dict[str, dict[str, Tensor]]) -> None:
        """Take up the masks of a saved run and what the weights are pulled to.

        Raises:
            ValueError: the masks are of another model.
        """
        super().load_state_dict(state['alive'])
        self._z = _beside(state['z'], self._makers(self.model))
        self._u = _beside(state['u'], self._makers(self.model))

    @torch.no_grad()
    def _zero(self, model: nn.Module, optimizer: torch.optim.Optimizer | None) -> None:
        if self._settled:
            MaskSet._zero(self, model, optimizer)


def _beside(
    saved: dict[str, Tensor], makers: Iterable[tuple[str, nn.Parameter, Tensor]]
) -> dict[str, Tensor]:
    """Saved tensors beside the weights that they are of."""
    return {name: saved[name].to(weight) for name, weight, _ in makers if name in saved}
