"""Which convolutions are cut, and whether groups and ratio fit them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from torch import nn

from mmrobustprune.dependency.grouped_conv import GroupedKernelConv2d
from mmrobustprune.dependency.groups import is_fixed, matching, produces

TARGETS: dict[str, Callable[[nn.Conv2d], bool]] = {
    '3x3': lambda conv: conv.kernel_size == (3, 3),
    'all': lambda conv: True,
}
IMAGE = 4  # a convolution of so few input channels reads the picture: the stem
SPARED = {'stem', 'downsample', 'shortcut', 'skip'}  # parts of the names of stems and shortcuts


def choose_layers(
    model: nn.Module, layers: str | Iterable[str] = '3x3', ignore: Iterable[str] = ()
) -> dict[str, nn.Conv2d]:
    """The convolutions to cut, by name.

    Args:
        layers: '3x3', 'all' (both without stems and shortcuts), or names, prefixes and patterns.
        ignore: names, prefixes or patterns of layers that stay as they are.
    Raises:
        ValueError: nothing is chosen, a pattern matches nothing, or a chosen layer is not a plain dense convolution with
            finite weights of its own.
    """
    named = {name: module for name, module in model.named_modules() if produces(module)}
    convs = {name: module for name, module in named.items() if isinstance(module, nn.Conv2d)}
    left = matching(named, [ignore] if isinstance(ignore, str) else ignore)
    if isinstance(layers, str) and layers in TARGETS:
        chosen = [
            name
            for name, conv in convs.items()
            if TARGETS[layers](conv) and not _spared(name, conv)
        ]
    else:
        wanted = matching(named, [layers] if isinstance(layers, str) else layers)
        chosen = [name for name, pattern in wanted.items() if name in convs or name == pattern]
    chosen = [name for name in chosen if name not in left]
    if not chosen:
        raise ValueError(
            f'no convolution of this network is chosen by layers={layers!r} and ignore={list(left)}; give '
            f'{" or ".join(map(repr, TARGETS))}, or names of its {len(convs)} convolutions.'
        )
    users: dict[int, int] = {}
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            users[id(parameter)] = users.get(id(parameter), 0) + 1
    for name in chosen:
        _check(name, named[name], users)
    return {name: named[name] for name in chosen}


def check_groups(layers: dict[str, nn.Conv2d], groups: int) -> None:
    """ValueError with the nearest legal number, where some layer's filters cannot be dealt into groups of equal size."""
    common = math.gcd(*(conv.out_channels for conv in layers.values()))
    for name, conv in layers.items():
        if not _whole(groups) or groups < 1 or conv.out_channels % groups:
            nearest = min(
                (n for n in range(1, common + 1) if common % n == 0), key=lambda n: abs(n - groups)
            )
            raise ValueError(
                f"groups={groups} does not divide the {conv.out_channels} filters of '{name}'; the nearest number "
                f'that divides those of all chosen layers is {nearest}.'
            )


def check_ratio(layers: dict[str, nn.Conv2d], ratio: float) -> dict[str, int]:
    """Input channels that each group keeps, per layer: (1 - ratio) * C.

    Raises:
        ValueError: none, all, or a fraction of one would be kept in some layer, with the nearest ratio that is legal in all.
    """
    common = math.gcd(*(conv.in_channels for conv in layers.values()))
    keep = {}
    for name, conv in layers.items():
        channels = conv.in_channels
        exact = (1 - ratio) * channels
        if not (_whole(exact) and 1 <= round(exact) < channels):
            steps = common if common > 1 else channels
            if steps == 1:
                raise ValueError(
                    f"'{name}' has a single input channel, of which nothing can be removed; add it to ignore."
                )
            part = (
                min(max(round(ratio * steps), 1), steps - 1) if math.isfinite(ratio) else steps // 2
            )
            where = (
                'all chosen layers'
                if common > 1
                else 'this layer (none is in all: put some into ignore)'
            )
            raise ValueError(
                f"ratio={ratio} keeps {exact:.4g} of the {channels} input channels of '{name}', not a whole "
                f'number from 1 to {channels - 1}; the nearest that does so in {where} is {part / steps:.6g} '
                f'({part}/{steps}).'
            )
        keep[name] = round(exact)
    return keep


def _whole(value: float) -> bool:
    return math.isfinite(value) and abs(value - round(value)) < 1e-6


def _spared(name: str, conv: nn.Conv2d) -> bool:
    return is_fixed(conv) or conv.in_channels <= IMAGE or bool(SPARED & set(name.split('.')))


def _check(name: str, layer: nn.Module, users: dict[int, int]) -> None:
    if not name:
        raise ValueError(
            'the model is itself a convolution, which cannot be replaced in place; put it into an nn.Sequential.'
        )
    if isinstance(layer, GroupedKernelConv2d):
        raise ValueError(
            f"'{name}' has grouped kernels already; prune from the dense network, or add it to ignore."
        )
    if not isinstance(layer, nn.Conv2d):
        raise ValueError(
            f"'{name}' is a {type(layer).__name__}, and only an nn.Conv2d has grouped kernels; take it out of "
            'layers.'
        )
    if layer.groups > 1:
        kind = 'depthwise' if layer.groups == layer.in_channels else 'grouped'
        raise ValueError(
            f"'{name}' is a {kind} convolution already, with groups={layer.groups}, and only groups=1 can be cut; "
            'add it to ignore.'
        )
    weight = layer._parameters.get('weight')
    if weight is None:
        raise ValueError(
            f"the weight of '{name}' is computed from other tensors (a parametrisation); remove that first, or "
            'add it to ignore.'
        )
    if any(users[id(p)] > 1 for p in layer._parameters.values() if p is not None):
        raise ValueError(
            f"'{name}' shares a parameter with another layer, which would have to be cut alike; add it to ignore."
        )
    if not weight.isfinite().all():
        raise ValueError(
            f"the weight of '{name}' holds NaN or infinite values, where finite ones are needed; load sound "
            'weights, or add it to ignore.'
        )
