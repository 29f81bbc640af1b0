"""The certificate of a grouped surgery: it computes what the network with the same kernels masked computes."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, fx, nn

from mmrobustprune.dependency.groups import find_layer
from mmrobustprune.dependency.recording import Forward, default_forward
from mmrobustprune.structure.compare import (
    TOLERANCE,
    FullPrecision,
    difference,
    judge,
    random_like,
    randomise,
)
from mmrobustprune.structure.grouped_record import GroupedRecord
from mmrobustprune.structure.rebuild import rebuild
from mmrobustprune.structure.record import Structure

from .folding import Fold, find_folds, full_name


@torch.no_grad()
def mask_kernels(model: nn.Module, structure: Structure) -> nn.Module:
    """Zero, in place, every kernel of a dense model that the record leaves out, and return the model."""
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

    max |masked - grouped| / max |masked|: of every cut layer with what its order was folded into, on random weights and random
    input; and of the whole network where an example input is given. ``folds`` are the model's, where they are known already.
    Everything is done on copies.

    Raises:
        ValueError: above 1e-10 (1e-4 where a network given an example does not run in float64), with the layer.
    """
    masked = copy.deepcopy(model).double().eval()
    randomise(masked, seed)
    grouped = rebuild(copy.deepcopy(masked), structure)
    mask_kernels(masked, structure)
    records, worst = _grouped(structure), 0.0
    folds = find_folds(model, records) if folds is None else folds
    for layer, record in records.items():
        # where an order is neither undone by the layer nor folded, the layer's own outputs differ
        found = _error(
            masked, grouped, layer, None if record.restored else folds.get(layer), records
        )
        if not found <= TOLERANCE[torch.float64]:
            raise ValueError(
                f"the surgery was refused: '{layer}' and what is behind it differ from the masked network by "
                f'{found:.2g} where {TOLERANCE[torch.float64]:.0e} is allowed; add it to ignore.'
            )
        worst = max(worst, found)
    if example is None:
        return worst
    return max(worst, _whole(model, structure, example, forward or default_forward, seed))


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
    conv, arriving = find_layer(masked, layer), records[layer].arriving
    extent = max(d * (k - 1) + 1 for d, k in zip(conv.dilation, conv.kernel_size, strict=True))
    weight, side = conv.weight, 8 + 4 * extent
    x = torch.randn(
        1,
        conv.in_channels,
        side,
        side,
        generator=torch.Generator().manual_seed(0),
        dtype=weight.dtype,
    )
    x = x.to(weight.device)
    arrived = x if arriving is None else x[:, arriving.to(x.device)]
    ours, theirs = conv(x), find_layer(grouped, layer)(arrived)
    if fold is None:
        return difference(ours, theirs)
    ours, theirs = (_follow(net, fold, y) for net, y in ((masked, ours), (grouped, theirs)))
    for reader in fold.readers:
        if reader in records and not records[reader].restored:
            ours[reader] = ours[reader][:, records[reader].order.to(x.device)]
    return max(difference(ours[reader], theirs[reader]) for reader in fold.readers)


def _follow(model: nn.Module, fold: Fold, output: Tensor) -> dict[str, Tensor]:
    """What the readers give on a layer's output; every step of a fold has one input."""
    values, read = {}, {}
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


def _whole(
    model: nn.Module, structure: Structure, example: Any, forward: Forward, seed: int
) -> float:
    for dtype in (torch.float64, torch.float32):
        masked = copy.deepcopy(model).to(dtype).eval()
        grouped = rebuild(copy.deepcopy(masked), structure)
        mask_kernels(masked, structure)
        inputs = random_like(example, dtype, seed)
        try:
            with FullPrecision():
                ours = forward(masked, inputs)
                theirs = forward(grouped, inputs)
                verdict = judge(ours, theirs, partial(forward, masked), inputs, dtype)
        except RuntimeError as problem:
            if dtype == torch.float32 or 'double' not in str(problem).lower():
                raise
            continue
        if not verdict.same:
            raise ValueError(
                'the surgery was refused: the outputs of the masked and of the grouped network differ by '
                f'{verdict.found:.2g} where {verdict.allowed:.0e} is allowed; give fewer layers, to find the one '
                'that is used in another way.'
            )
        return verdict.found
