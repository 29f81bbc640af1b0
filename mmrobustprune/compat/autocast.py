"""Half precision on a CPU, which mmcv's compiled operators and NumPy do not know."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

HALF = (torch.bfloat16, torch.float16)


def has_narrow_operators(package: ModuleType) -> bool:
    """Whether an operator of `mmcv.ops` that stays in float32 elsewhere refuses bfloat16."""
    boxes = torch.zeros(1, 4, dtype=torch.bfloat16)
    try:
        package.nms(boxes, torch.ones(1, dtype=torch.bfloat16), 0.5)
    except Exception:
        return True
    return False


def widen_operators(package: ModuleType) -> None:
    """Let every operator of `mmcv.ops` compute in float32 under autocast on a CPU."""
    inside = f'{package.__name__}.'
    modules = [one for name, one in sys.modules.items() if name.startswith(inside)]
    for module in modules:
        for value in list(vars(module).values()):
            if isinstance(value, type) and issubclass(value, torch.autograd.Function):
                if value.__module__ == module.__name__:
                    widen(value)


class _Noted:
    """A metric that keeps what it is given."""

    def process(self, data_batch: Any, data_samples: Any) -> None:
        self.samples = data_samples


def has_narrow_predictions(module: ModuleType) -> bool:
    """Whether mmengine's Evaluator gives its metrics predictions in bfloat16."""
    metric = _Noted()
    module.Evaluator(metric).process([dict(score=torch.ones(1, dtype=torch.bfloat16))])
    return metric.samples[0]['score'].dtype is torch.bfloat16


def widen_predictions(module: ModuleType) -> None:
    """Let mmengine's Evaluator give its metrics predictions in float32: NumPy has no bfloat16."""
    process = module.Evaluator.process

    @functools.wraps(process)
    def wide(self, data_samples, data_batch=None):
        element = module.BaseDataElement
        plain = [one.to_dict() if isinstance(one, element) else one for one in data_samples]
        return process(self, tree_map(_widened, plain), data_batch)

    module.Evaluator.process = wide


def widen(operator: type[torch.autograd.Function]) -> None:
    """Let one operator compute in float32, and give and take the precision of its first input."""
    operator.forward = staticmethod(_forward(operator.forward))
    operator.backward = staticmethod(_backward(operator.backward))


def _forward(forward: Callable) -> Callable:
    @functools.wraps(forward)
    def wide(ctx, *args, **kwargs):
        tensors = [one for one in (*args, *kwargs.values()) if isinstance(one, Tensor)]
        ctx.widened = torch.is_autocast_enabled('cpu') and any(map(_is_half, tensors))
        if not ctx.widened:
            return forward(ctx, *args, **kwargs)
        named = {name: _widened(value) for name, value in kwargs.items()}
        with torch.autocast('cpu', enabled=False):
            found = forward(ctx, *map(_widened, args), **named)
        first = next(one.dtype for one in tensors if one.is_floating_point())
        return tuple(_as(found, first)) if isinstance(found, tuple) else next(_as([found], first))

    return wide


def _backward(backward: Callable) -> Callable:
    @functools.wraps(backward)
    def wide(ctx, *gradients):
        return backward(ctx, *(map(_widened, gradients) if ctx.widened else gradients))

    return wide


def _is_half(tensor: Tensor) -> bool:
    return tensor.dtype in HALF and tensor.device.type == 'cpu'


def _widened(value: Any) -> Any:
    return value.float() if isinstance(value, Tensor) and _is_half(value) else value


def _as(found: Iterable[Any], dtype: torch.dtype) -> Iterable[Any]:
    """Outputs in the precision of the input; indices stay as they are."""
    for one in found:
        yield one.to(dtype) if isinstance(one, Tensor) and one.is_floating_point() else one
