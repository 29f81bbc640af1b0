"""A forward whose graph is read from a part of what it runs, and counted from all of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from .groups import positions, produces
from .recording import Forward, flags_restored

PRODUCTS = {
    torch.conv1d,
    torch.conv2d,
    torch.conv3d,
    torch.conv_transpose1d,
    torch.conv_transpose2d,
    torch.conv_transpose3d,
    functional.linear,
}


class WithoutProducts(TorchFunctionMode):
    """Inside, convolutions and linear layers give zeros of the right shape and compute nothing."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func not in PRODUCTS:
            return func(*args, **kwargs)
        like = next(value for value in (*args, *kwargs.values()) if isinstance(value, Tensor))
        shape = func(*map(_on_meta, args), **{key: _on_meta(kwargs[key]) for key in kwargs}).shape
        return like.new_zeros(shape)


def _on_meta(value: Any) -> Any:
    return value.to('meta') if isinstance(value, Tensor) else value


@dataclass(frozen=True)
class PartialForward:
    """A forward that does a part of the work, enough to see what depends on what.

    Attributes:
        part: what is traced and certified, `part(model, example)`.
        all: the forward in which every use of a layer counts; its numbers do not matter.
    """

    part: Forward
    all: Forward

    def __call__(self, model: nn.Module, example: Any) -> Any:
        return self.part(model, example)

    def count(self, model: nn.Module, example: Any) -> Any:
        """All of the work, by shapes alone."""
        with WithoutProducts():
            return self.all(model, example)


@torch.no_grad()
def uses(model: nn.Module, example: Any, forward: PartialForward) -> dict[str, int]:
    """Output positions of every convolution and linear layer, as in `Trace.shapes`."""
    found: dict[str, int] = {}

    def hook_of(name: str):
        def hook(module: nn.Module, args: tuple, output: Tensor) -> None:
            used = positions(module, args[0] if args else None, output)
            found[name] = found.get(name, 0) + used

        return hook

    handles = [
        module.register_forward_hook(hook_of(name))
        for name, module in model.named_modules()
        if produces(module)
    ]
    try:
        with flags_restored(model):
            forward.count(model.eval(), example)
    finally:
        for handle in handles:
            handle.remove()
    return found
