"""Dense network + structure record -> pruned network, with its optimizer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from mmrobustprune.dependency.attention import narrowings
from mmrobustprune.dependency.grouped_conv import swap
from mmrobustprune.dependency.groups import find_layer, tensors
from mmrobustprune.dependency.kinds import blocks_of

from .grouped_record import GroupedRecord
from .masked_norm import count_all
from .record import Structure
from .widths import repeated_widths

# dimension -> kept indices (n,); or (g, n): those of each of g blocks of rows
Keep = dict[int, Tensor]


def rebuild(
    dense_model: nn.Module, structure: Structure, optimizer: torch.optim.Optimizer | None = None
) -> nn.Module:
    """Remove, in place, every channel that the record does not keep, and return the model.

    W' = W[out][:, in], and a layer with `kept` channels per group becomes a GroupedKernelConv2d:
    parameters become new `nn.Parameter` objects (tied ones stay tied, values, gradients and
    `requires_grad` stay), buffers and integer attributes that repeat a width follow. An attention
    that changes takes its narrowed form. One tensor after the other is replaced, so that without an
    optimizer no more than one of them is held beside the smaller one.

    Args:
        dense_model: the network that was pruned, with any weights.
        structure: the record.
        optimizer: its parameter groups point to the new parameters then, and every state tensor of
            a parameter's dense shape is sliced alike, so that training goes on as if nothing had
            happened.
    Raises:
        ValueError: the record or the optimizer does not fit; nothing is changed then.
    """
    structure.check(dense_model)
    grouped = {
        name: GroupedRecord.read(name, record)
        for name, record in structure.layers.items()
        if 'kept' in record
    }
    keep = _kept(dense_model, structure, grouped)
    widths = [*repeated_widths(dense_model, structure), *_numbers(dense_model, structure)]
    narrowed = narrowings(dense_model, structure.layers)
    states = {} if optimizer is None else _sliced_states(optimizer, keep)
    places = _places(dense_model, keep)
    fresh: dict[int, Tensor] = {}
    for key in list(keep):
        fresh[key] = _sliced(*keep[key])
        for slot, name in places.get(key, ()):
            slot[name] = fresh[key]
        if optimizer is None:
            del keep[key]
    for module in dense_model.modules():
        count_all(module)
    for attention in narrowed:
        attention.apply()
    for owner, attribute, value in widths:
        setattr(owner, attribute, value)
    for name, record in grouped.items():
        conv = find_layer(dense_model, name)
        swap(dense_model, conv, record.replace(conv))
    if optimizer is not None:
        for group in optimizer.param_groups:
            group['params'] = [fresh.get(id(p), p) for p in group['params']]
        for key, state in states.items():
            del optimizer.state[keep[key][0]]
            optimizer.state[fresh[key]] = state
    return dense_model


def _places(model: nn.Module, keep: dict[int, tuple[Tensor, Keep]]) -> dict[int, list]:
    """id of a tensor -> (dict of a module, name) of every place that holds it."""
    places: dict[int, list] = {}
    for module in model.modules():
        for slot in (module._parameters, module._buffers):
            for name, tensor in slot.items():
                if id(tensor) in keep:
                    places.setdefault(id(tensor), []).append((slot, name))
    return places


def _numbers(model: nn.Module, structure: Structure) -> Iterator[tuple[nn.Module, str, Any]]:
    """(module, attribute, new value) of the numbers that the record lists."""
    for name, values in structure.numbers.items():
        module = model.get_submodule(name)
        for attribute, value in values.items():
            yield module, attribute, type(getattr(module, attribute))(value)


def _kept(
    model: nn.Module, structure: Structure, grouped: dict[str, GroupedRecord]
) -> dict[int, tuple[Tensor, Keep]]:
    """id of a tensor -> (the tensor, what it keeps); by identity, so that tied layers agree."""
    keep: dict[int, tuple[Tensor, Keep]] = {}
    for layer, record in structure.layers.items():
        kept = {
            side: torch.tensor(record[side], dtype=torch.long)
            for side in ('out', 'in')
            if side in record
        }
        if layer in grouped:
            kept = {'out': grouped[layer].order, 'in': grouped[layer].kept}
        for side, index in kept.items():
            blocks = 1 if layer in grouped else blocks_of(find_layer(model, layer), side)
            for _, tensor, dim in tensors(model, layer, side):
                size = tensor.shape[dim] * blocks
                if index.numel() == 0 or index.min() < 0 or index.max() >= size:
                    raise ValueError(
                        f"the structure keeps no channel of '{layer}' ({side}), or "
                        f'one outside 0..{size - 1}; give the record of this model.'
                    )
                dims = keep.setdefault(id(tensor), (tensor, {}))[1]
                own = index if blocks == 1 else _columns(index, blocks, size, layer)
                if not torch.equal(dims.setdefault(dim, own), own):
                    raise ValueError(
                        f"'{layer}' shares a tensor with a layer that keeps other "
                        'channels; give the record of this model.'
                    )
    return keep


def _columns(index: Tensor, blocks: int, size: int, layer: str) -> Tensor:
    """Kept channels of an input that blocks of filters share out -> (blocks, n) columns of each."""
    width = size // blocks
    counts = torch.bincount(index // width, minlength=blocks)
    if (counts != counts[0]).any():
        raise ValueError(
            f"the structure keeps {counts.tolist()} input channels of the groups of '{layer}', "
            'which need equally many; give the record of this model.'
        )
    return index.sort().values.view(blocks, -1) % width


def _slice(tensor: Tensor, dims: Keep) -> Tensor:
    tensor = tensor.detach()
    for dim, index in dims.items():
        index = index.to(tensor.device)
        tensor = tensor.index_select(dim, index) if index.dim() == 1 else _per_block(tensor, index)
    return tensor


def _per_block(tensor: Tensor, index: Tensor) -> Tensor:
    """Rows (O, C, ...) in g blocks, each with its own columns of index (g, n) -> (O, n, ...)."""
    blocks = tensor.unflatten(0, (len(index), -1))
    columns = index.view(len(index), 1, -1, *[1] * (tensor.dim() - 2))
    return blocks.gather(2, columns.expand(-1, blocks.shape[1], -1, *tensor.shape[2:])).flatten(
        0, 1
    )


def _sliced(old: Tensor, dims: Keep) -> Tensor:
    new = _slice(old, dims)
    if isinstance(old, nn.Parameter):
        new = nn.Parameter(new, requires_grad=old.requires_grad)
        new.grad = None if old.grad is None else _slice(old.grad, dims)
    return new


def _sliced_states(optimizer: torch.optim.Optimizer, keep: dict) -> dict[int, dict]:
    states = {}
    for key, (old, dims) in keep.items():
        if old not in optimizer.state:
            continue
        states[key] = {
            name: _sliced_state(value, old, dims, f"{type(optimizer).__name__} keeps '{name}'")
            for name, value in optimizer.state[old].items()
        }
    return states


def _sliced_state(state: Any, parameter: Tensor, dims: Keep, keeps: str) -> Any:
    """What an optimizer keeps of a parameter: numbers, tensors like it, lists and dicts of them."""

    def follow(value: Any) -> Any:
        if not isinstance(value, Tensor) or value.dim() == 0:
            return value
        if value.shape != parameter.shape:
            raise ValueError(
                f'{keeps} of shape {tuple(value.shape)} for a parameter of shape '
                f'{tuple(parameter.shape)}, which cannot lose channels; use an optimizer with '
                'elementwise state such as SGD or AdamW.'
            )
        return _slice(value, dims)

    return tree_map(follow, state)
