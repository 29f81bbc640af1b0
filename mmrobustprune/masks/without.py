"""A network as it would be without some units, for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from mmrobustprune.dependency.groups import Group, tensors

from .maskset import MaskSet


@contextmanager
def without(model: nn.Module, group: Group, gone: Tensor) -> Iterator[None]:
    """Inside, units of a group are masked, which is as if they were removed.

    Args:
        model: afterwards with its own weights, whatever happens inside.
        group: of its channels.
        gone: bool (units,), the units that are masked; one must stay.
    """
    kept = []
    for part in group.slices:
        for _, tensor, _ in tensors(model, part.layer, part.side):
            kept.append((tensor, tensor.detach().clone()))
    masks = MaskSet(model, [group])
    try:
        masks.remove({group.name: ~gone})
        yield
    finally:
        masks.detach()  # its norms count all channels again
        with torch.no_grad():
            for tensor, value in kept:
                tensor.copy_(value)
