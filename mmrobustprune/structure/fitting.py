"""A pruned network refuses weights that are not of its structure, whoever loads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from mmrobustprune.dependency.groups import tensors

from .record import Structure


def refuse_other_structures(model: nn.Module, structure: Structure) -> None:
    """Let a pruned network load no weights whose removed sides have another width.

    Loaders of OpenMMLab only log what does not fit, and the network stays partly random. Sides that
    nothing was removed from may differ: the head of another task.

    Args:
        model: rebuilt to the structure.
        structure: its record.
    """
    model.register_load_state_dict_pre_hook(SameWidths(_removed_sides(model, structure)))


class SameWidths:
    """A hook before loading: the sides of some tensors are as wide as the network's.

    Args:
        sides: name of a tensor -> its dimensions that lost channels.
    """

    def __init__(self, sides: Mapping[str, set[int]]) -> None:
        self.sides = sides

    def __call__(self, model: nn.Module, state: Mapping[str, Tensor], prefix: str, *_: Any) -> None:
        """Compare what is loaded with the network.

        Raises:
            ValueError: it has another width; the first such tensor is named.
        """
        own = model.state_dict()
        given = {name: state[prefix + name] for name in self.sides if prefix + name in state}
        for name, theirs in given.items():
            if name in own and not self._fits(name, own[name].shape, theirs.shape):
                raise ValueError(
                    f'the weights are not of this pruned network ({name} is {tuple(theirs.shape)} '
                    f'in the checkpoint and {tuple(own[name].shape)} in the network); give the '
                    'pruned.pth that was written with its pruned.py, or a checkpoint after it.'
                )

    def _fits(self, name: str, own: Sequence[int], theirs: Sequence[int]) -> bool:
        dims = self.sides[name]
        return len(own) == len(theirs) and all(own[dim] == theirs[dim] for dim in dims)


def _removed_sides(model: nn.Module, structure: Structure) -> dict[str, set[int]]:
    sides: dict[str, set[int]] = {}
    for layer, record in structure.layers.items():
        if 'kept' in record:  # grouped: every filter is there and reads fewer channels
            sides[f'{layer}.weight'] = {1}
            continue
        for side in sorted(record.keys() & {'out', 'in'}):
            for name, _, dim in tensors(model, layer, side):
                sides.setdefault(name, set()).add(dim)
    return sides
