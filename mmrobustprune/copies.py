"""Copies of networks, which may hold tensors of their last forward pass."""

from __future__ import annotations

import copy
from typing import Any, TypeVar

from torch import Tensor
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
