"""Filters of zeros: what they leave behind is folded into the layers that read it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmrobustprune.copies import in_precision
from mmrobustprune.dependency.groups import Group, find_layer
from mmrobustprune.dependency.kinds import by_channel, makes, weight_of
from mmrobustprune.dependency.recording import Forward, default_forward
from mmrobustprune.structure.compare import FullPrecision, compare, random_like

from .followed import trace

SEEDS = (0, 1)  # of the images on which a channel must be constant
NO_SPREAD = 1e-9  # relative


def fold_constants(
    model: nn.Module, example: Any, forward: Forward | None = None
) -> dict[str, str]:
    """Let no layer read channels whose filters are zero, in place; outputs stay what they were.

    A filter of zeros gives its bias everywhere, and what follows (BatchNorm, activation) makes a
    constant c of it. A layer W that reads it adds c sum(W[:, j]) to each of its outputs: this goes
    into its bias, or out of the running mean of the BatchNorm behind it, and W[:, j] becomes 0.
    A convolution whose border is padded sees 0 there instead of c, so that this is exact for c = 0
    alone. `remove_unread` removes such channels then.

    Args:
        model: plain weights, zeros included.
        example: one batch of inputs.
        forward: as in `trace`.
    Returns:
        {layer: why it still reads channels of zero filters}.
    Raises:
        ValueError: a model that cannot be traced, or outputs that would differ; the model is left
            as it was.
    """
    forward = forward or default_forward
    groups = trace(model, example, forward).groups
    before = in_precision(model, torch.float64).eval()
    passes = _Passes.of(before, example, forward)
    after = in_precision(model, torch.float64).eval()
    left: dict[str, str] = {}
    for group in groups:
        dead = _zero_filters(model, group)
        readers = [part for part in group.slices if part.side == 'in'] if dead.any() else []
        for part in readers:
            why = _fold(after, part.layer, part.channels(dead), passes)
            if why:
                left[part.layer] = why
    _compare(before, after, example, forward)
    model.load_state_dict(after.state_dict())
    return left


@dataclass
class _Passes:
    """What layers were given, and which BatchNorm reads which layer alone.

    Attributes:
        inputs: layer -> its input of every pass, channels last and flat, (n, channels).
        behind: layer -> the BatchNorm that is given its output as it is.
    """

    inputs: dict[str, list[Tensor]] = field(default_factory=dict)
    behind: dict[str, str] = field(default_factory=dict)

    @classmethod
    @torch.no_grad()
    def of(cls, model: nn.Module, example: Any, forward: Forward) -> _Passes:
        found = cls()
        for seed in SEEDS:
            with found._listening(model), FullPrecision():
                forward(model, random_like(example, torch.float64, seed))
        return found

    @contextmanager
    def _listening(self, model: nn.Module) -> Iterator[None]:
        made: list[tuple[Tensor, str]] = []  # alive, so that no other tensor is taken for one

        def before(name: str, layer: nn.Module, args: tuple) -> None:
            if isinstance(layer, _BatchNorm):
                for tensor, maker in made:
                    if tensor is args[0]:
                        self.behind[maker] = name
            else:
                x = args[0] if isinstance(layer, nn.Linear) else args[0].movedim(1, -1)
                self.inputs.setdefault(name, []).append(x.reshape(-1, x.shape[-1]))

        def after(name: str, layer: nn.Module, args: tuple, output: Tensor) -> None:
            made.append((output, name))

        handles = []
        for name, layer in model.named_modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear, _BatchNorm)):
                handles.append(layer.register_forward_pre_hook(partial(before, name)))
                handles.append(layer.register_forward_hook(partial(after, name)))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def constant(self, layer: str, channels: Tensor) -> Tensor | None:
        """The value (n,) that each of these channels has everywhere; None where one varies."""
        if layer not in self.inputs:
            return None
        seen = torch.cat(self.inputs[layer])[:, channels]
        spread = seen.amax(0) - seen.amin(0)
        steady = spread <= NO_SPREAD * seen.abs().amax(0)
        return seen[0] if steady.all() else None


def _zero_filters(model: nn.Module, group: Group) -> Tensor:
    """Units (units,) of which every layer that makes them has zeros alone."""
    dead = torch.ones(group.units, dtype=torch.bool)
    made = False
    for part in group.slices:
        layer = find_layer(model, part.layer)
        if part.side == 'out' and makes(layer):
            made = True
            zero = (by_channel(layer, 'out', weight_of(layer).detach()) == 0).all(1).cpu()
            dead &= zero[part.index].all(1)
    return dead & made


@torch.no_grad()
def _fold(model: nn.Module, name: str, channels: Tensor, passes: _Passes) -> str:
    """Let one layer stop reading these channels; why not, or ''."""
    layer = find_layer(model, name)
    convolution = isinstance(layer, nn.Conv2d)
    if not (isinstance(layer, nn.Linear) or (convolution and layer.groups == 1)):
        return f'{type(layer).__name__} is no plain convolution or linear layer'
    value = passes.constant(name, channels)
    if value is None:
        return 'other layers add something to what zero filters give'
    if convolution and any(layer.padding) and value.any():
        return 'its border is padded with zeros, and what zero filters give is not 0'
    added = (
        layer.weight[:, channels].flatten(2).sum(2) if convolution else layer.weight[:, channels]
    )
    added = added @ value
    if layer.bias is not None:
        layer.bias += added
    elif name in passes.behind:
        model.get_submodule(passes.behind[name]).running_mean -= added
    elif added.any():
        return 'it has no bias, and no BatchNorm stands behind it'
    layer.weight[:, channels] = 0
    return ''


@torch.no_grad()
def _compare(before: nn.Module, after: nn.Module, example: Any, forward: Forward) -> None:
    example = random_like(example, torch.float64, len(SEEDS))
    verdict = compare(before, after, forward, example, torch.float64)
    if not verdict.same:
        raise ValueError(
            'the weights were left as they are: without the filters of zeros the outputs differ by '
            f'{verdict.found:.2g} where {verdict.allowed:.0e} is allowed.'
        )
