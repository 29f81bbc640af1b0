"""The certificate of a grouped surgery: it computes what the masked network computes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, fx, nn

from mmrobustprune.copies import copied
from mmrobustprune.dependency.groups import find_layer
from mmrobustprune.dependency.recording import Forward, default_forward
from mmrobustprune.structure.compare import (
    TOLERANCE,
    compare,
    difference,
    random_like,
    randomise,
)
from mmrobustprune.structure.grouped_record import GroupedRecord
from mmrobustprune.structure.rebuild import rebuild
from mmrobustprune.structure.record import Structure

from .folding import Fold, find_folds, full_name


@torch.no_grad()
def mask_kernels(model: nn.Module, structure: Structure) -> nn.Module:
    """Zero, in place, every kernel of a dense model that the record leaves out.

    Returns:
        The model.
    """
    structure.check(model)
    for name, record in _grouped(structure).items():
        weight = find_layer(model, name).weight
        weight.mul_(record.alive(weight.shape[1]).to(weight.device)[..., None, None])
    return model


@torch.no_grad()
def certify_grouped(
    model: nn.Module,
    structure: Structure,
    folds: Mapping[str, Fold] | None = None,
    example: Any = None,
    forward: Forward | None = None,
    seed: int = 0,
) -> float:
    """Largest relative difference between masked and grouped computation, in float64.

    max |masked - grouped| / max |masked|: of every pruned layer with what its order was folded
    into, on random weights and random input; and of the whole network where an example input is
    given. Everything is done on copies.

    Args:
        model: the dense network.
        structure: the record.
        folds: the model's, where they are known already.
        example: an input of the whole network.
        forward: how the network takes it.
        seed: of weights and inputs.

    Raises:
        ValueError: above 1e-10 (1e-4 where a network given an example does not run in float64),
            with the layer.
    """
    masked = copied(model).double().eval()
    randomise(masked, seed)
    grouped = rebuild(copied(masked), structure)
    mask_kernels(masked, structure)
    records = _grouped(structure)
    worst = 0.0
    folds = find_folds(model, records) if folds is None else folds
    for layer, record in records.items():
        # where an order is neither undone by the layer nor folded, the layer's own outputs differ
        fold = None if record.restored else folds.get(layer)
        found = _error(masked, grouped, layer, fold, records)
        if not found <= TOLERANCE[torch.float64]:
            raise ValueError(
                f"the surgery was refused: '{layer}' and what is behind it differ from the masked "
                f'network by {found:.2g} where {TOLERANCE[torch.float64]:.0e} is allowed; add it '
                'to ignore.'
            )
        worst = max(worst, found)
    if example is None:
        return worst
    forward = forward or default_forward
    return max(worst, _error_of_network(model, structure, example, forward, seed))


def _grouped(structure: Structure) -> dict[str, GroupedRecord]:
    return {
        name: GroupedRecord.read(name, record)
        for name, record in structure.layers.items()
        if 'kept' in record
    }


def _error(
    masked: nn.Module,
    grouped: nn.Module,
    layer: str,
    fold: Fold | None,
    records: Mapping[str, GroupedRecord],
) -> float:
    conv = find_layer(masked, layer)
    x = _input_of(conv)
    arriving = records[layer].arriving
    arrived = x if arriving is None else x[:, arriving.to(x.device)]
    ours = conv(x)
    theirs = find_layer(grouped, layer)(arrived)
    if fold is None:
        return difference(ours, theirs)
    ours = _follow(masked, fold, ours)
    theirs = _follow(grouped, fold, theirs)
    for reader in fold.readers:
        if reader in records and not records[reader].restored:
            ours[reader] = ours[reader][:, records[reader].order.to(x.device)]
    return max(difference(ours[reader], theirs[reader]) for reader in fold.readers)


def _input_of(conv: nn.Conv2d) -> Tensor:
    """A random input (1, in, side, side), several times as large as the kernel."""
    extent = max(d * (k - 1) + 1 for d, k in zip(conv.dilation, conv.kernel_size, strict=True))
    side = 8 + 4 * extent
    random = torch.Generator().manual_seed(0)
    x = torch.randn(1, conv.in_channels, side, side, generator=random, dtype=conv.weight.dtype)
    return x.to(conv.weight.device)


def _follow(model: nn.Module, fold: Fold, output: Tensor) -> dict[str, Tensor]:
    """What the readers give on a layer's output; every step of a fold has one input."""
    values: dict[fx.Node, Tensor] = {}
    read: dict[str, Tensor] = {}
    for node in fold.steps:
        args, kwargs = fx.map_arg(
            (node.args, node.kwargs), lambda source: values.get(source, output)
        )
        if node.op == 'call_module':
            name = full_name(fold.scope, node)
            values[node] = find_layer(model, name)(*args, **kwargs)
            if name in fold.readers:
                read[name] = values[node]
        elif node.op == 'call_method':
            values[node] = getattr(args[0], node.target)(*args[1:], **kwargs)
        else:
            values[node] = node.target(*args, **kwargs)
    return read


def _error_of_network(
    model: nn.Module, structure: Structure, example: Any, forward: Forward, seed: int
) -> float:
    for dtype in (torch.float64, torch.float32):
        masked = copied(model).to(dtype).eval()
        grouped = rebuild(copied(masked), structure)
        mask_kernels(masked, structure)
        inputs = random_like(example, dtype, seed)
        try:
            verdict = compare(masked, grouped, forward, inputs, dtype)
        except RuntimeError as problem:
            if dtype == torch.float32 or 'double' not in str(problem).lower():
                raise
            continue
        if not verdict.same:
            raise ValueError(
                'the surgery was refused: the outputs of the masked and of the grouped network '
                f'differ by {verdict.found:.2g} where {verdict.allowed:.0e} is allowed; give fewer '
                'layers, to find the one that is used in another way.'
            )
        return verdict.found
