"""Which groups can really go: a trial removal where numbers in the code would have to follow."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from mmrobustprune.dependency import tracing
from mmrobustprune.dependency.flow.walk import OUTPUT
from mmrobustprune.dependency.groups import Group, Trace, find_layer
from mmrobustprune.dependency.kinds import kind_of
from mmrobustprune.dependency.recording import Forward
from mmrobustprune.masks.maskset import MaskSet
from mmrobustprune.scores.base import producing

from .verify import failing


def trace(
    model: nn.Module,
    example: Any,
    forward: Forward | None = None,
    ignore: Iterable[str] = (),
    attention: str = 'dims',
) -> Trace:
    """The groups of channels that can be removed together, see `dependency.tracing.trace`.

    Groups whose channels are split, sliced or shuffled at numbers are tried: some of their units
    are removed from a copy, and those without which the outputs are right are unprunable. Numbers
    follow where the code computes them from a width, or where they are attributes (`Cut`). So are
    streams under norms that a layer reads whose own channels could not be followed, as in an
    attention that is not known: the code behind it may take the stream's width for that layer's.

    Raises:
        ValueError: as `dependency.tracing.trace` raises.
    """
    found = tracing.trace(model, example, forward, ignore, attention)
    doubts = {group: _doubt(model, group, found) for group in found.groups if group.units > 1}
    doubtful = [group for group, doubt in doubts.items() if doubt]
    if not doubtful:
        return found
    tried = {group.name: _some(group, i) for i, group in enumerate(doubtful)}
    masks = MaskSet.planned(model, found.groups, tried)
    wrong = failing(masks, doubtful, example, forward)
    if not wrong:
        return found
    kept = tuple(group for group in found.groups if group not in wrong)
    still = _makers(model, kept)
    unprunable = dict(found.unprunable)
    for group in wrong:
        why = f'{doubts[group]} takes its channels at places that do not follow'
        for layer in _makers(model, [group]) - still:
            unprunable.setdefault(layer, why)
    in_order = [name for name, _ in model.named_modules() if name in unprunable]
    return replace(found, groups=kept, unprunable={name: unprunable[name] for name in in_order})


def _doubt(model: nn.Module, group: Group, found: Trace) -> str:
    """What may hold a width of a group as a number; '' where nothing does."""
    if group.cuts:
        return group.cuts[0].operation
    if any(kind_of(find_layer(model, part.layer)).aware for part in group.slices):
        for part in group.slices:
            if part.side == 'in' and found.unprunable.get(part.layer, OUTPUT) != OUTPUT:
                return f"the code behind '{part.layer}'"
    return ''


def _makers(model: nn.Module, groups: Iterable[Group]) -> set[str]:
    """The layers that make channels of these groups."""
    made: set[str] = set()
    for group in groups:
        made |= {part.layer for part in producing(model, group)}
    return made


def _some(group: Group, number: int) -> Tensor:
    """Units that stay in the trial, not the same share of every group."""
    return torch.arange(group.units) % (2 + number % 2) == 0
