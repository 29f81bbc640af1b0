"""The share of a network that lies in groups, and what keeps the rest whole."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mmrobustprune.dependency.groups import (
    Trace,
    find_layer,
    learned,
    tensors,
    weighted_layers,
)
from mmrobustprune.dependency.kinds import blocks_of, kind_of, over_tensor


@dataclass(frozen=True)
class Share:
    """How much of a network can shrink.

    Attributes:
        params: of its parameters, the share with a prunable input or output channel.
        macs: the same of its multiplications.
        cause: what keeps most of the other parameters whole; '' where nothing does.
        lost: the share of the parameters for which that is so.
    """

    params: float
    macs: float
    cause: str
    lost: float


def share_of(model: nn.Module, trace: Trace) -> Share:
    """The share of a traced network's parameters and MACs in prunable groups."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    free = _free(model, trace)
    total = sum(parameter.numel() for parameter in learned(model))
    whole: Counter[str] = Counter()
    for parameter in learned(model):
        name = names[id(parameter)]
        rest = parameter.numel() * (1 - free.get(name, 0.0))
        if rest > 0.5:
            whole[_cause(model, trace, name)] += rest
    layers = weighted_layers(model)
    macs = {name: layers[name].weight.numel() * trace.shapes.get(name, 0) for name in layers}
    moving = sum(macs[name] * free.get(names[id(layers[name].weight)], 0.0) for name in layers)
    cause, lost = next(iter(whole.most_common(1)), ('', 0.0))
    return Share(
        1 - sum(whole.values()) / total,
        moving / max(1, sum(macs.values())),
        cause,
        lost / total,
    )


def _free(model: nn.Module, trace: Trace) -> dict[str, float]:
    """Parameter name -> the share of its elements in channels that some group can remove."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    channels: dict[tuple[str, str], list[Tensor]] = {}
    for group in trace.groups:
        for part in group.slices:
            channels.setdefault((part.layer, part.side), []).append(part.index.flatten())
    free: dict[str, Tensor] = {}
    for (layer, side), found in channels.items():
        blocks = blocks_of(find_layer(model, layer), side)
        for _, tensor, dim in tensors(model, layer, side):
            if id(tensor) in names:
                flags = torch.zeros(blocks * tensor.shape[dim], dtype=torch.bool)
                flags[torch.cat(found)] = True
                mask = over_tensor(flags, tensor, dim, blocks).expand(tensor.shape)
                name = names[id(tensor)]
                free[name] = free[name] | mask if name in free else mask
    return {name: float(mask.float().mean()) for name, mask in free.items()}


def _cause(model: nn.Module, trace: Trace, parameter: str) -> str:
    """Why a parameter stays whole, without the names of layers."""
    name = parameter.rpartition('.')[0]
    layer = model.get_submodule(name)
    why = trace.unprunable.get(name) or trace.unprunable.get(parameter)
    if why is None:
        known = 'reads channels that stay' if kind_of(layer) else 'is of no known kind'
        why = f'{type(layer).__name__} {known}'
    return re.sub(r"'[^']*'|\([\d, ]+\)", '…', why)
