"""Convolutions in channels-last memory order."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.hooks import Hook
from torch import Tensor, nn

from mmrobustprune.registry import HOOKS

from .model import unwrap


@HOOKS.register_module()
class ChannelsLastHook(Hook):
    """Gives the backbone its images in channels-last order, which every layer behind it keeps.

    The numbers change in rounding alone. Weights are left as they are, so checkpoints and removals
    know nothing of it.

    Raises:
        AttributeError: the model has no backbone.
    """

    def before_run(self, runner) -> None:
        give_channels_last(unwrap(runner.model).backbone)


def give_channels_last(backbone: nn.Module) -> None:
    """From now on the module gets its images in channels-last order."""
    if channels_last not in backbone._forward_pre_hooks.values():
        backbone.register_forward_pre_hook(channels_last)


def channels_last(module: nn.Module, inputs: tuple) -> tuple:
    """A forward pre-hook: images (N, C, H, W) in channels-last order, all else as it is."""
    return tuple(map(_reordered, inputs))


def _reordered(value: Any) -> Any:
    if isinstance(value, Tensor) and value.dim() == 4:
        return value.contiguous(memory_format=torch.channels_last)
    return value
