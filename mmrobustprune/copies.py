"""Copies of networks, which may hold tensors of their last forward pass."""

from __future__ import annotations

import copy
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

T = TypeVar('T')


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
    with _Detached():
        return copy.deepcopy(thing, shared)


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


def shell(model: nn.Module) -> nn.Module:
    """A copy of the modules alone, which holds the very parameters and buffers of the network.

    For a copy in which they are replaced, as by `structure.rebuild`, and none is written to.
    """
    tensors = [*model.parameters(), *model.buffers()]
    return copied(model, {id(tensor): tensor for tensor in tensors})


def _of(tensor: Tensor, dtype: torch.dtype) -> torch.dtype:
    return dtype if tensor.is_floating_point() else tensor.dtype
