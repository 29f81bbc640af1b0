"""mmcv's operators under autocast on a CPU, where the compiled ones know no half precision."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import torch
from torch import Tensor


def widen_operators(package: ModuleType) -> None:
    """Let every operator of `mmcv.ops` compute in float32 under autocast on a CPU."""
    inside = f'{package.__name__}.'
    modules = [one for name, one in sys.modules.items() if name.startswith(inside)]
    for module in modules:
        for value in list(vars(module).values()):
            if isinstance(value, type) and issubclass(value, torch.autograd.Function):
                if value.__module__ == module.__name__:
                    value.forward = staticmethod(in_float32(value.forward))


def in_float32(forward: Callable) -> Callable:
    """A function whose tensors on the CPU are widened to float32 where autocast is on there.

    Gradients come back in the precision of what was given, as autograd sees to it.
    """

    @functools.wraps(forward)
    def wide(*args, **kwargs):
        if not torch.is_autocast_enabled('cpu'):
            return forward(*args, **kwargs)
        named = {name: _widened(value) for name, value in kwargs.items()}
        with torch.autocast('cpu', enabled=False):
            return forward(*map(_widened, args), **named)

    return wide


def _widened(value: Any) -> Any:
    half = isinstance(value, Tensor) and value.dtype in (torch.bfloat16, torch.float16)
    return value.float() if half and value.device.type == 'cpu' else value
