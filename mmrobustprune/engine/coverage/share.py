"""The share of a network that lies in groups, and what keeps the rest whole."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor, nn

from mmrobustprune.dependency.groups import Trace, learned, tensors, weighted_layers
from mmrobustprune.dependency.kinds import kind_of


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
    masks: dict[str, dict[int, Tensor]] = {}
    for group in trace.groups:
        for part in group.slices:
            for _, tensor, dim in tensors(model, part.layer, part.side):
                if id(tensor) in names:
                    sides = masks.setdefault(names[id(tensor)], {})
                    mask = sides.setdefault(dim, torch.zeros(tensor.shape[dim]))
                    mask[part.index.flatten()] = 1
    return {name: 1 - prod(map(_kept, sides.values())) for name, sides in masks.items()}


def _kept(mask: Tensor) -> float:
    return 1 - float(mask.mean())


def _cause(model: nn.Module, trace: Trace, parameter: str) -> str:
    """Why a parameter stays whole, without the names of layers."""
    name = parameter.rpartition('.')[0]
    layer = model.get_submodule(name)
    why = trace.unprunable.get(name) or trace.unprunable.get(parameter)
    if why is None:
        known = 'reads channels that stay' if kind_of(layer) else 'is of no known kind'
        why = f'{type(layer).__name__} {known}'
    return re.sub(r"'[^']*'|\([\d, ]+\)", '…', why)
