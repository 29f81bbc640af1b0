"""A norm across channels whose masked channels do not count, while they are still there.

A convolution whose weight is normalised across the channels that it reads is one of them.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from mmrobustprune.dependency.kinds import kind_of


class CountKept:
    """A forward hook: the layer computes what it will compute once masked channels are removed.

    y[kept] = norm'(x[kept]) and y[masked] = 0, with norm' the layer of fewer channels that shares
    its parameters, so gradients reach those that are kept; y = conv'(x[kept]) of a convolution.

    Args:
        kept: (n,) int64, the channels that count.
    """

    def __init__(self, kept: Tensor):
        self.kept = kept

    def __call__(self, layer: nn.Module, args: tuple, kwargs: dict, output: Tensor) -> Tensor:
        kwargs = dict(kwargs)
        given = list(args) or [kwargs.pop(next(iter(kwargs)))]
        self.kept = kept = self.kept.to(output.device)
        small = smaller(layer, len(kept), lambda value, dim: value.index_select(dim, kept))
        axis = channel_axis(layer, given, kwargs)
        given[0] = given[0].index_select(axis, kept)
        counted = small.forward(*given, **kwargs)
        if kind_of(layer).counted == 'in':
            return counted
        return torch.zeros_like(output).index_copy_(axis, kept, counted)


def count_kept(layer: nn.Module, kept: Tensor) -> None:
    """From now on a norm across channels counts these channels (bool (C,)) only.

    With all of them it is the plain norm again, as it is with a layer of another family.
    """
    count_all(layer)
    if kind_of(layer).aware and not kept.all():
        layer.register_forward_hook(CountKept(kept.nonzero().flatten()), with_kwargs=True)


def count_all(layer: nn.Module) -> None:
    """Undo `count_kept`, in copies of the layer as well."""
    for key, hook in list(layer._forward_hooks.items()):
        if isinstance(hook, CountKept):
            del layer._forward_hooks[key]
            del layer._forward_hooks_with_kwargs[key]


def smaller(layer: nn.Module, size: int, part: Callable[[Tensor, int], Tensor]) -> nn.Module:
    """A shallow copy of a layer that counts `size` channels, `part(tensor, dimension)` of its own.

    It is for its `forward` alone, for it has the layer's hooks.
    """
    kind = kind_of(layer)
    small = copy.copy(layer)
    _narrow(small, kind.counted, size, part)
    small._modules = dict(layer._modules)
    for name, sides in kind.inside.items():
        if name in small._modules:
            inner = copy.copy(small._modules[name])
            inner._forward_hooks = {}  # whoever watches has seen a run already
            inner._forward_pre_hooks = {}
            for side in sides:
                _narrow(inner, side, size, part)
            small._modules[name] = inner
    return small


def _narrow(layer: nn.Module, side: str, size: int, part: Callable[[Tensor, int], Tensor]) -> None:
    """Let a shallow copy of a layer have a part of the channels of a side."""
    kind = kind_of(layer)
    widths = kind.resized(layer, side, size)
    layer._parameters = dict(layer._parameters)
    for name, dim in kind.dims[side].items():
        if layer._parameters.get(name) is not None:
            layer._parameters[name] = part(layer._parameters[name], dim)
    for name, value in widths.items():
        setattr(layer, name, value)


def channel_axis(layer: nn.Module, args: list, kwargs: dict[str, Any]) -> int:
    """The axis of a norm's input `args[0]` that holds its channels.

    Torch's own norms say so. Elsewhere it is the axis of their number, and where the second and
    the last have that number, the one on which the layer takes them if no other axis has it.
    """
    run = type(layer).forward
    if run in (nn.LayerNorm.forward, nn.RMSNorm.forward):
        return args[0].dim() - 1
    if run is nn.GroupNorm.forward or kind_of(layer).counted == 'in':
        return 1
    width = kind_of(layer).width(layer, 'out')
    shape = args[0].shape
    axes = [axis for axis in (1, len(shape) - 1) if shape[axis] == width]
    if axes == [1, len(shape) - 1] and not _takes(layer, 1, args, kwargs):
        return axes[1]
    return axes[0]


def _takes(layer: nn.Module, axis: int, args: list, kwargs: dict[str, Any]) -> bool:
    """Whether the layer runs on channels that lie on an axis, all others being longer."""
    width = kind_of(layer).width(layer, 'out')
    like = smaller(layer, width, lambda value, dim: value.to('meta'))
    shape = [width + 1] * args[0].dim()
    shape[axis] = width
    try:
        like.forward(args[0].new_empty(shape, device='meta'), *args[1:], **kwargs)
    except RuntimeError:
        return False
    return True
