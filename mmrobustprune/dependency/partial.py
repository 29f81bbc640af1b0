"""A forward whose graph is read from a part of what it runs, and counted from all of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from mmrobustprune.flags import flags_restored

from .kinds import positions, produces
from .recording import Forward

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
    """A forward of any size (boxes of a second stage), traced small and counted in full.

    Attributes:
        run: `run(model, example, size)`.
        size: `size(model)`, with which the model is used.
        small: the size with which it is traced and certified.
        even: the size from which on the uses of every layer grow evenly.
    """

    run: Callable[[nn.Module, Any, int], Any]
    size: Callable[[nn.Module], int]
    small: int
    even: int

    def __call__(self, model: nn.Module, example: Any) -> Any:
        return self.run(model, example, min(self.small, self.size(model)))

    def full(self, model: nn.Module, example: Any) -> Any:
        """The forward of full size."""
        return self.run(model, example, self.size(model))

    def count(self, model: nn.Module, measure: Callable[[Forward], dict[Any, int]]) -> dict:
        """What `measure(forward)` finds in the forward of full size, from two smaller ones.

        They go by shapes alone, so numbers in the outputs must not matter.
        """
        size = self.size(model)
        if size <= self.even:
            return measure(self._by_shapes(size))
        low = measure(self._by_shapes(self.even))
        high = measure(self._by_shapes(self.even + 1))
        return {key: low[key] + (size - self.even) * (high[key] - low[key]) for key in low}

    def _by_shapes(self, size: int) -> Forward:
        def forward(model: nn.Module, example: Any) -> Any:
            with WithoutProducts():
                return self.run(model, example, size)

        return forward


def uses(model: nn.Module, example: Any, forward: PartialForward) -> dict[str, int]:
    """Output positions of every convolution and linear layer, as in `Trace.shapes`."""
    layers = {name: layer for name, layer in model.named_modules() if produces(layer)}

    @torch.no_grad()
    def measure(run: Forward) -> dict[str, int]:
        found = dict.fromkeys(layers, 0)

        def add(name: str, layer: nn.Module, args: tuple, output: Tensor) -> None:
            found[name] += positions(layer, args[0] if args else None, output)

        handles = [
            layer.register_forward_hook(partial(add, name)) for name, layer in layers.items()
        ]
        try:
            with flags_restored(model):
                run(model.eval(), example)
        finally:
            for handle in handles:
                handle.remove()
        return found

    return {name: used for name, used in forward.count(model, measure).items() if used}
