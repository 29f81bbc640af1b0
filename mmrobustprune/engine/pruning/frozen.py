"""What a training leaves as it is: layers that do not learn cannot recover what they lose."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn
from torch.optim import Optimizer

from mmrobustprune.dependency.groups import Group, tensors
from mmrobustprune.dependency.kinds import makes


def learning(optimizer: Optimizer) -> set[int]:
    """Ids of the parameters that an optimizer moves: with a gradient and a learning rate.

    Where no parameter has a learning rate, which is no way to freeze some, gradients alone count.
    """
    groups = optimizer.param_groups
    moved = [group for group in groups if group.get('initial_lr', group['lr']) != 0]
    found: set[int] = set()
    for group in moved or groups:
        found.update(id(parameter) for parameter in group['params'] if parameter.requires_grad)
    return found


def frozen_layers(model: nn.Module, optimizer: Optimizer) -> list[str]:
    """Convolutions and linear layers none of whose parameters learn."""
    learned = learning(optimizer)
    names = []
    for name, layer in model.named_modules():
        own = list(layer.parameters())
        if makes(layer) and own and not any(id(parameter) in learned for parameter in own):
            names.append(name)
    return names


def frozen_groups(
    model: nn.Module, groups: Iterable[Group], optimizer: Optimizer
) -> tuple[Group, ...]:
    """Groups whose units nothing that makes them, filters or normalisations, can learn anew."""
    learned = learning(optimizer)
    return tuple(group for group in groups if not _learns(model, group, learned))


def _learns(model: nn.Module, group: Group, learned: set[int]) -> bool:
    for part in group.slices:
        if part.side == 'out':
            made_of = tensors(model, part.layer, 'out')
            if any(id(tensor) in learned for _, tensor, _ in made_of):
                return True
    return False


def frozen_line(names: Iterable[str]) -> str:
    """The log line that lists what does not learn."""
    return (
        f'frozen from the start, so left as they are: {", ".join(names)}; '
        'robust_prune.prune_frozen=True prunes them all the same.'
    )
