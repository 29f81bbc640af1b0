"""From zeros to a smaller network: channels that no layer reads are removed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from mmrobustprune.copies import in_precision, shell
from mmrobustprune.cost.model import CostModel
from mmrobustprune.dependency.groups import Group, find_layer, full
from mmrobustprune.dependency.kinds import by_channel, kind_of, makes, weight_of
from mmrobustprune.dependency.recording import Forward, default_forward
from mmrobustprune.masks.maskset import MaskSet
from mmrobustprune.structure.compare import compare, random_like
from mmrobustprune.structure.rebuild import rebuild
from mmrobustprune.structure.record import Structure

from .followed import trace
from .verify import certify


@dataclass
class Unread:
    """What `remove_unread` did.

    Attributes:
        structure: the record of the surgery.
        left: {layer: why masked inputs of it stay}.
    """

    structure: Structure
    left: dict[str, str]


def remove_unread(model: nn.Module, example_input: Any, forward: Forward | None = None) -> Unread:
    """Remove, in place, every channel whose weights are zero in each layer that reads it.

    Filter j of a convolution goes if and only if every reader of its channel j has zeros there,
    with the normalisation and activation between them; so the outputs stay the same but for
    rounding. An attention loses the heads that its output projection does not read. Where channels
    of several layers are added up, all readers of the sum must agree. Channels that a norm goes
    across stay, for it reads all of them.

    Args:
        model: plain weights, zeros included (see `mmrobustprune.mask_search.make_plain`).
        example_input: one batch of inputs.
        forward: `forward(model, example_input)`, as in `trace`.
    Raises:
        ValueError: parametrized weights, a model that cannot be traced, or outputs that would
            differ; the model is left as it was.
    """
    for name, module in model.named_modules():
        if is_parametrized(module):
            raise ValueError(
                f"'{name}' is parametrized, so its weights are not its own; call make_plain(model) "
                'first.'
            )
    found = trace(model, example_input, forward, attention='heads')  # of whole heads alone
    dead = {name: _dead_inputs(layer) for name, layer in model.named_modules() if makes(layer)}
    norms = {group.name: _norm_across(model, group) for group in found.groups}
    free = [group for group in found.groups if norms[group.name] is None]
    alive = full(found.groups) | {group.name: _read_by_some(group, dead) for group in free}
    masks = MaskSet.planned(model, found.groups, alive)
    certify(masks, example_input, forward)
    structure = masks.structure(
        'unread channels', **CostModel(model, found.groups, found.shapes).removed(alive)
    )
    _compare(model, structure, example_input, forward or default_forward)
    rebuild(model, structure)
    return Unread(structure, _left(found.groups, alive, dead, norms))


def _dead_inputs(layer: nn.Module) -> Tensor:
    """Which input channels (in,) have zero weights alone; empty where they cannot go alone."""
    kind = kind_of(layer)
    if kind is None or 'in' not in kind.dims:
        return torch.zeros(0, dtype=torch.bool)
    return (by_channel(layer, 'in', weight_of(layer).detach()) == 0).all(1).cpu()


def _norm_across(model: nn.Module, group: Group) -> str | None:
    """The first norm whose statistics are of the group's channels."""
    names = [part.layer for part in group.slices]
    return next((name for name in names if kind_of(find_layer(model, name)).aware), None)


def _read_by_some(group: Group, dead: dict[str, Tensor]) -> Tensor:
    """Units (units,) that some layer reads; the first one where none is."""
    read = torch.zeros(group.units, dtype=torch.bool)
    for part in group.slices:
        if part.side == 'in':
            read |= ~dead[part.layer][part.index].all(1)
    if not read.any():
        read[0] = True
    return read


def _left(
    groups: tuple[Group, ...],
    alive: dict[str, Tensor],
    dead: dict[str, Tensor],
    norms: dict[str, str | None],
) -> dict[str, str]:
    """{layer: how many of its masked inputs stay, and why}."""
    stays = {name: mask.clone() for name, mask in dead.items()}
    why: dict[str, dict[str, None]] = {}  # layer -> reasons, in order and each once
    for group in groups:
        readers = [part for part in group.slices if part.side == 'in']
        unread = [dead[part.layer][part.index] & alive[group.name][:, None] for part in readers]
        for part, own in zip(readers, unread, strict=True):
            stays[part.layer][part.channels(~alive[group.name])] = False
            reasons = why.setdefault(part.layer, {})
            if norms[group.name] is not None and own.any():
                reasons[f"'{norms[group.name]}' normalises across them"] = None
            if (own.any(1) & ~own.all(1)).any():
                reasons['other positions of the same channels are not masked'] = None
            for other, theirs in zip(readers, unread, strict=True):
                if other is not part and (own.any(1) & ~theirs.all(1)).any():
                    reasons[f"'{other.layer}' reads some of them"] = None
            if own.any() and not reasons:
                reasons['one channel has to stay'] = None
    return {
        name: f'{int(mask.sum())} of {int(dead[name].sum())} masked input channels stay: '
        + (', '.join(why.get(name, ())) or 'the width of what it reads is fixed')
        for name, mask in stays.items()
        if mask.any()
    }


@torch.no_grad()
def _compare(model: nn.Module, structure: Structure, example: Any, forward: Forward) -> None:
    dense = in_precision(model, torch.float64).eval()
    smaller = rebuild(shell(dense), structure)
    example = random_like(example, torch.float64, 0)
    verdict = compare(dense, smaller, forward, example, torch.float64)
    if not verdict.same:
        raise ValueError(
            'the surgery was refused: without the unread channels the outputs differ by '
            f'{verdict.found:.2g} where {verdict.allowed:.0e} is allowed; keep the masked network '
            'instead.'
        )
