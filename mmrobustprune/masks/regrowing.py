"""Masks of filters that grow again from zero, as SFP has them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from mmrobustprune.dependency.groups import Group, find_layer, full
from mmrobustprune.dependency.kinds import kind_of, over_tensor, weight_name, weight_of

from .maskset import MaskSet


class RegrowingMaskSet(MaskSet):
    """A mask set that zeroes filters for a moment, after which all of them learn on.

    Only the weights of the filters that make the channels become zero: their gradients, the state
    of the optimizer, normalisations and what other layers read stay, so that a filter grows again
    from zero (SFP, arXiv:1808.06866). With `settle` it becomes a `MaskSet`.

    Args:
        model: the network.
        groups: its groups of channels.
    """

    def __init__(self, model: nn.Module, groups: Iterable[Group]):
        self._settled = False
        super().__init__(model, groups)

    def remove(
        self, alive: dict[str, Tensor], optimizer: torch.optim.Optimizer | None = None
    ) -> None:
        """Zero the filters of every unit that `alive` does not hold; all others live.

        Arguments and errors: `MaskSet.remove`, where no unit can come back.
        """
        self._take(self._checked(alive), optimizer)

    def candidates(self) -> dict[str, Tensor]:
        """All units may come back."""
        return full(self.groups)

    def settle(self, optimizer: torch.optim.Optimizer | None = None) -> None:
        """From here on no unit comes back, and all that belongs to the removed ones is zero."""
        self._settled = True
        self._zero(self.model, optimizer)
        self.attach()

    def attach(self, optimizer: torch.optim.Optimizer | None = None) -> None:
        """Gradients reach every filter until the masks are settled."""
        if self._settled:
            super().attach(optimizer)

    def resume_model(self, other: nn.Module) -> None:
        """Nothing: what was zeroed has grown meanwhile."""

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take up the masks of a saved run, whose filters have grown meanwhile.

        Raises:
            ValueError: the masks are of another model.
        """
        self._check_same_groups(state)
        self.alive = self.alive | self._checked(state)
        self._refresh()

    @torch.no_grad()
    def _zero(self, model: nn.Module, optimizer: torch.optim.Optimizer | None) -> None:
        if self._settled:
            super()._zero(model, optimizer)
            return
        for _, weight, dead in self._makers(model):
            weight.masked_fill_(dead, 0)

    def _makers(self, model: nn.Module) -> Iterator[tuple[str, nn.Parameter, Tensor]]:
        """Name, weight and dead entries of every layer that makes channels out of others.

        One that reads its own channel alone is left out: it could not grow again.
        """
        for name, kept in self.filters().items():
            layer = find_layer(model, name)
            kind = kind_of(layer)
            if 'in' in kind.dims:
                weight = weight_of(layer)
                dead = over_tensor(~kept, weight, kind.dims['out'][weight_name(layer)])
                yield name, weight, dead.to(weight.device)
