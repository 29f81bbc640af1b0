"""Weights that are what was in the memory before."""

from __future__ import annotations

import functools
from types import ModuleType
from typing import Any

import torch
from torch import nn


def leaves_weights_unset(module: ModuleType) -> bool:
    """Whether TridentNet's convolution draws no weights; its `init_cfg` names a layer it has not.

    A stage without pretrained weights then begins with numbers that may be infinite.
    """
    before = torch.get_rng_state()
    module.TridentConv(1, 1, 1)
    return torch.equal(before, torch.get_rng_state())


def draw_weights(module: ModuleType) -> None:
    """Draw what its `init_cfg` means: He's uniform distribution by the inputs, biases 0."""
    build = module.TridentConv.__init__

    @functools.wraps(build)
    def __init__(self: nn.Module, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        build(self, *args, **kwargs)
        nn.init.kaiming_uniform_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    module.TridentConv.__init__ = __init__
