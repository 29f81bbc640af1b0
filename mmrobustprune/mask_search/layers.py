"""Which layers of a network get scores, and what stands still meanwhile."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.utils.parametrize import is_parametrized

from mmrobustprune.dependency.groups import matching, weighted_layers

NORMS = (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)


def prunable_layers(model: nn.Module, ignore: Iterable[str] = ()) -> dict[str, nn.Module]:
    """Every convolution and linear layer, first and last included, that `ignore` leaves.

    Args:
        model: the network.
        ignore: names, prefixes or patterns.

    Raises:
        ValueError: a pattern that matches nothing; no layer left; a layer whose weight is not
            finite, shared with another one, or already the result of a parametrization.
    """
    patterns = [ignore] if isinstance(ignore, str) else list(ignore)
    ignored = matching([name for name, _ in model.named_modules()], patterns)
    layers = {name: layer for name, layer in weighted_layers(model).items() if name not in ignored}
    if not layers:
        raise ValueError(
            f'no convolution or linear layer is left to prune under ignore={patterns}; '
            'take patterns out of ignore.'
        )
    _warn_of_attention(model, ignored)
    _check_weights(layers)
    return layers


def _warn_of_attention(model: nn.Module, ignored: Mapping[str, str]) -> None:
    found = [
        repr(name)
        for name, module in model.named_modules()
        if 'in_proj_weight' in dict(module.named_parameters(recurse=False)) and name not in ignored
    ]
    if found:
        warnings.warn(
            f"the queries', keys' and values' weights of {', '.join(found)} are no linear layers "
            'but parameters of nn.MultiheadAttention: they get no scores, stay dense, and count '
            'in no ratio.',
            stacklevel=3,
        )


def _check_weights(layers: Mapping[str, nn.Module]) -> None:
    owners: dict[int, str] = {}
    for name, layer in layers.items():
        if is_parametrized(layer, 'weight'):
            raise ValueError(
                f"the weight of '{name}' is already parametrized; give a plain network, or put "
                f"'{name}' into ignore."
            )
        first = owners.setdefault(id(layer.weight), name)
        if first != name:
            raise ValueError(
                f"'{name}' shares its weight with '{first}', so one mask cannot serve both; put "
                'both into ignore.'
            )
        if not torch.isfinite(layer.weight).all():
            raise ValueError(
                f"the weight of '{name}' holds infinite or NaN values; load weights that are "
                'finite.'
            )


def freeze(model: nn.Module, norms_too: bool = False) -> list[tuple[nn.Parameter, bool]]:
    """Let only the scales and shifts of normalisations train (not even them with `norms_too`).

    Returns:
        Every parameter with the requires_grad it had, for `thaw`.
    """
    before = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    affine = set() if norms_too else {id(parameter) for parameter in affine_parameters(model)}
    for parameter, _ in before:
        if id(parameter) not in affine:
            parameter.requires_grad_(False)
    return before


def affine_parameters(model: nn.Module) -> list[nn.Parameter]:
    """The scales and shifts of all normalisations."""
    found = []
    for module in model.modules():
        if isinstance(module, NORMS):
            found += module.parameters(recurse=False)
    return found


def thaw(before: list[tuple[nn.Parameter, bool]]) -> None:
    """Give every parameter the requires_grad it had."""
    for parameter, flag in before:
        parameter.requires_grad_(flag)


def check_masks(model: nn.Module, masks: Mapping[str, Tensor]) -> None:
    """Refuse masks of another network, and masks that leave a layer without weights.

    Args:
        model: the network.
        masks: {layer: bool mask of its weight's shape}.

    Raises:
        ValueError: which mask, and what the network has there.
    """
    layers = weighted_layers(model)
    for name, mask in masks.items():
        shape = tuple(layers[name].weight.shape) if name in layers else None
        if shape != tuple(mask.shape):
            found = 'no such layer' if shape is None else f'a weight of shape {shape}'
            raise ValueError(
                f"the masks are of another network: '{name}' has shape {tuple(mask.shape)} there "
                f'and this network has {found}; give the masks that were searched on it.'
            )
        if not mask.any():
            raise ValueError(
                f"the mask of '{name}' leaves no weight; keep at least one, or leave '{name}' out."
            )
