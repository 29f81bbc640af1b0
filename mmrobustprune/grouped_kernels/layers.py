"""Which convolutions are pruned, and whether groups and ratio fit them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from torch import nn

from mmrobustprune.dependency.grouped_conv import GroupedKernelConv2d
from mmrobustprune.dependency.groups import matching, weighted_layers
from mmrobustprune.dependency.kinds import is_fixed

TARGETS: dict[str, Callable[[nn.Conv2d], bool]] = {
    '3x3': lambda conv: conv.kernel_size == (3, 3),
    'all': lambda conv: True,
}
IMAGE = 4  # a convolution of so few input channels reads the image: the stem
SPARED = {'stem', 'downsample', 'shortcut', 'skip'}  # parts of the names of stems and shortcuts


def choose_layers(
    model: nn.Module, layers: str | Iterable[str] = '3x3', ignore: Iterable[str] = ()
) -> dict[str, nn.Conv2d]:
    """The convolutions to prune, by name.

    Args:
        model: the network.
        layers: '3x3', 'all' (both without stems and shortcuts), or names, prefixes and patterns.
        ignore: names, prefixes or patterns of layers that stay as they are.

    Raises:
        ValueError: nothing is chosen, a pattern matches nothing, or a chosen layer is not a plain
            dense convolution with finite weights of its own.
    """
    named = weighted_layers(model, fixed=True)
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
            f'no convolution of this network is chosen by layers={layers!r} and '
            f'ignore={list(left)}; give {" or ".join(map(repr, TARGETS))}, or names of its '
            f'{len(convs)} convolutions.'
        )
    users: dict[int, int] = {}
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            users[id(parameter)] = users.get(id(parameter), 0) + 1
    for name in chosen:
        _check(name, named[name], users)
    return {name: named[name] for name in chosen}


def check_groups(layers: dict[str, nn.Conv2d], groups: int) -> None:
    """Refuse a number of groups that does not divide every layer's filters.

    Raises:
        ValueError: with the nearest number that does.
    """
    common = math.gcd(*(conv.out_channels for conv in layers.values()))
    for name, conv in layers.items():
        if not _is_integer(groups) or groups < 1 or conv.out_channels % groups:
            allowed = [n for n in range(1, common + 1) if common % n == 0]
            nearest = min(allowed, key=lambda n: abs(n - groups))
            raise ValueError(
                f"groups={groups} does not divide the {conv.out_channels} filters of '{name}'; the "
                f'nearest number that divides those of all chosen layers is {nearest}.'
            )


def check_ratio(layers: dict[str, nn.Conv2d], ratio: float) -> dict[str, int]:
    """Input channels that each group keeps, per layer: (1 - ratio) * C.

    Raises:
        ValueError: none, all, or a fraction of one would be kept in some layer, with the nearest
            ratio that is possible in all.
    """
    common = math.gcd(*(conv.in_channels for conv in layers.values()))
    keep = {}
    for name, conv in layers.items():
        exact = (1 - ratio) * conv.in_channels
        if not (_is_integer(exact) and 1 <= round(exact) < conv.in_channels):
            raise _wrong_ratio(ratio, name, conv.in_channels, common)
        keep[name] = round(exact)
    return keep


def _wrong_ratio(ratio: float, name: str, channels: int, common: int) -> ValueError:
    """The error for a ratio that one layer of `channels` cannot take; all have `common` factors."""
    steps = common if common > 1 else channels
    if steps == 1:
        return ValueError(
            f"'{name}' has a single input channel, of which nothing can be removed; add it to "
            'ignore.'
        )
    part = steps // 2
    if math.isfinite(ratio):
        part = min(max(round(ratio * steps), 1), steps - 1)
    where = 'all chosen layers'
    if common == 1:
        where = 'this layer (none is in all: put some into ignore)'
    return ValueError(
        f'ratio={ratio} keeps {(1 - ratio) * channels:.4g} of the {channels} input channels of '
        f"'{name}', not a whole number from 1 to {channels - 1}; the nearest that does so in "
        f'{where} is {part / steps:.6g} ({part}/{steps}).'
    )


def _is_integer(value: float) -> bool:
    return math.isfinite(value) and abs(value - round(value)) < 1e-6


def _spared(name: str, conv: nn.Conv2d) -> bool:
    return is_fixed(conv) or conv.in_channels <= IMAGE or bool(SPARED & set(name.split('.')))


def _check(name: str, layer: nn.Module, users: dict[int, int]) -> None:
    if not name:
        raise ValueError(
            'the model is itself a convolution, which cannot be replaced in place; put it into an '
            'nn.Sequential.'
        )
    if isinstance(layer, GroupedKernelConv2d):
        raise ValueError(
            f"'{name}' has grouped kernels already; prune from the dense network, or add it to "
            'ignore.'
        )
    if not isinstance(layer, nn.Conv2d):
        raise ValueError(
            f"'{name}' is a {type(layer).__name__}, and only an nn.Conv2d has grouped kernels; "
            'take it out of layers.'
        )
    if layer.groups > 1:
        kind = 'depthwise' if layer.groups == layer.in_channels else 'grouped'
        raise ValueError(
            f"'{name}' is a {kind} convolution already, with groups={layer.groups}, and only "
            'groups=1 can be pruned; add it to ignore.'
        )
    weight = layer._parameters.get('weight')
    if weight is None:
        raise ValueError(
            f"the weight of '{name}' is computed from other tensors (a parametrisation); remove "
            'that first, or add it to ignore.'
        )
    if any(users[id(p)] > 1 for p in layer._parameters.values() if p is not None):
        raise ValueError(
            f"'{name}' shares a parameter with another layer, which would have to be pruned alike; "
            'add it to ignore.'
        )
    if not weight.isfinite().all():
        raise ValueError(
            f"the weight of '{name}' holds NaN or infinite values, where finite ones are needed; "
            'load sound weights, or add it to ignore.'
        )
