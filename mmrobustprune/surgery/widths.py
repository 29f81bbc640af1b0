"""The structure of a network that others pruned, from the widths of its weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from mmrobustprune.copies import shell
from mmrobustprune.cost.model import CostModel
from mmrobustprune.dependency.groups import Group, tensors
from mmrobustprune.dependency.recording import Forward
from mmrobustprune.masks.maskset import MaskSet
from mmrobustprune.structure.rebuild import rebuild
from mmrobustprune.structure.record import Structure

from .followed import trace


def structure_of_widths(
    model: nn.Module, example: Any, state: Mapping[str, Tensor], forward: Forward | None = None
) -> Structure:
    """The record under which a dense network has the widths of weights that were made elsewhere.

    Which of its channels each layer kept is not known and does not matter: the record keeps the
    first ones. Every width is verified: the rebuilt network has exactly the names and shapes of
    the weights.

    Args:
        model: the dense network; it is not changed.
        example: one batch of inputs.
        state: the weights, under the model's names.
        forward: as in `trace`.
    Raises:
        ValueError: a width that the dense network cannot have, layers that must be equally wide and
            are not, or other names.
    """
    found = trace(model, example, forward)
    alive = {}
    for group in found.groups:
        alive[group.name] = torch.arange(group.units) < _units(model, group, state)
    masks = MaskSet.planned(model, found.groups, alive)
    shares = CostModel(model, found.groups, found.shapes).removed(alive)
    structure = masks.structure('imported widths', **shares)
    smaller = rebuild(shell(model), structure)
    _refuse_others(
        {name: tuple(value.shape) for name, value in smaller.state_dict().items()}, state
    )
    return structure


def _units(model: nn.Module, group: Group, state: Mapping[str, Tensor]) -> int:
    """How many units of a group the weights have; all layers of the group must agree."""
    found: dict[int, str] = {}
    for part in group.slices:
        each = part.index.shape[1]
        for name, tensor, dim in tensors(model, part.layer, part.side):
            whole = part.index.numel() == tensor.shape[dim]
            if part.side == 'out' and whole and name in state and state[name].ndim == tensor.ndim:
                units, rest = divmod(state[name].shape[dim], each)
                if rest or units > group.units:
                    raise ValueError(
                        f"'{name}' has {state[name].shape[dim]} channels and the dense network "
                        f'{tensor.shape[dim]}, of which {each} go together; give the config of the '
                        'architecture that was pruned.'
                    )
                found.setdefault(units * each, name)
    if len(found) > 1:
        said = ', '.join(f"'{name}' {width}" for width, name in found.items())
        raise ValueError(
            f'channels that must stay together have other numbers ({said}); give the config of the '
            'architecture that was pruned.'
        )
    each = group.slices[0].index.shape[1]
    return next((width // each for width in found), group.units)


def _refuse_others(ours: Mapping[str, tuple], state: Mapping[str, Tensor]) -> None:
    """Raise ValueError at the first name or shape that only one of both has."""
    for name in [*ours, *state]:
        here = tuple(state[name].shape) if name in state else 'not there'
        there = ours.get(name, 'not there')
        if here != there and not name.endswith('num_batches_tracked'):
            raise ValueError(
                f"the weights do not fit at '{name}' (in the file {here}, in the network {there}); "
                'give the config of the architecture that was pruned.'
            )
