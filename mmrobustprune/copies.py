"""Copies of networks, which may hold tensors of their last forward pass."""

from __future__ import annotations

import copy
from collections import OrderedDict
from types import FunctionType, NoneType
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed, nn
from torch.overrides import TorchFunctionMode

T = TypeVar('T')
_ONE = {int, float, bool, str, bytes, type, FunctionType, NoneType, torch.dtype, torch.device}
if distributed.is_available():
    _ONE.add(distributed.ProcessGroup)  # of a synchronised norm
_HOLDERS = {dict, OrderedDict, list, set}


class _Detached(TorchFunctionMode):
    """Inside, a tensor that depends on others is copied as the numbers that it holds."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple = (), kwargs: Any = None
    ) -> Any:
        if func is Tensor.__deepcopy__ and not args[0].is_leaf:
            tensor, memo = args
            memo[id(tensor)] = tensor.detach().clone()
            return memo[id(tensor)]
        return func(*args, **(kwargs or {}))


def copied(thing: T, shared: dict[int, Any] | None = None) -> T:
    """A deep copy of a network, or of anything that holds one.

    Priors, masks and features that a forward pass left in a module (YOLACT's, for instance) are
    copied without the pass that made them, which `copy.deepcopy` refuses to do.

    Args:
        thing: what is copied.
        shared: what the copy holds instead of a copy, by the id of the original.
    """
    memo = dict(shared or {})
    with _Detached():
        if isinstance(thing, nn.Module):
            _copy_modules(thing, memo)
        return copy.deepcopy(thing, memo)


def _copy_modules(model: nn.Module, memo: dict[int, Any]) -> None:
    """Copy the modules of a network into the memo of a deep copy, as it would, but faster.

    `copy.deepcopy` asks every one of the thirty attributes of a module how it is copied.
    """
    pairs = []
    for module in model.modules():
        if id(module) not in memo and _is_plain(type(module)):
            twin = memo[id(module)] = type(module).__new__(type(module))
            pairs.append((module, twin))
    for module, twin in pairs:
        for name, value in vars(module).items():
            kind = type(value)
            if kind in _HOLDERS and not value:
                value = memo.setdefault(id(value), kind())
            elif kind not in _ONE:
                value = copy.deepcopy(value, memo)
            if name != '_compiled_call_impl':
                twin.__dict__[name] = value


def _is_plain(kind: type) -> bool:
    """Whether a copy of a module of this class is a copy of its attributes."""
    own = {'__deepcopy__', '__reduce_ex__', '__reduce__', '__getstate__'}
    bases = kind.__mro__[: kind.__mro__.index(nn.Module)]
    if any(own & vars(base).keys() for base in bases):
        return False
    return kind.__setstate__.__module__.startswith('torch.nn.modules.')  # fills gaps alone


def in_precision(model: nn.Module, dtype: torch.dtype) -> nn.Module:
    """A copy of a network with floating-point parameters and buffers of another precision.

    Each is converted while it is copied, so that no second copy is made.
    """
    shared: dict[int, Tensor] = {}
    for parameter in model.parameters():
        value = parameter.detach().to(_of(parameter, dtype), copy=True)
        shared[id(parameter)] = nn.Parameter(value, requires_grad=parameter.requires_grad)
    for buffer in model.buffers():
        shared[id(buffer)] = buffer.detach().to(_of(buffer, dtype), copy=True)
    return copied(model, shared)


def convert_buffers(model: nn.Module, dtype: torch.dtype) -> nn.Module:
    """Give a network, in place, floating-point buffers of another precision, and return it."""
    converted = {id(one): one.to(_of(one, dtype), copy=True) for one in model.buffers()}
    for module in model.modules():
        for name, buffer in module._buffers.items():
            module._buffers[name] = converted.get(id(buffer))
    return model


def shell(model: nn.Module) -> nn.Module:
    """A copy of the modules alone, which holds the very parameters and buffers of the network.

    For a copy in which they are replaced, as by `structure.rebuild`, and none is written to.
    """
    tensors = [*model.parameters(), *model.buffers()]
    return copied(model, {id(tensor): tensor for tensor in tensors})


def _of(tensor: Tensor, dtype: torch.dtype) -> torch.dtype:
    return dtype if tensor.is_floating_point() else tensor.dtype
