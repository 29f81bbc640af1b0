"""How many scores are kept, and which."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import torch
from torch import Tensor, nn

from mmrobustprune.dependency.kinds import kind_of


def kept_count(entries: int, ratio: float) -> int:
    """n - floor(ratio * n), with the ratio taken as the decimal number it is written as.

    In floating point 0.29 * 100 is 28.999999999999996 and one entry more would stay.
    """
    return entries - int(Fraction(repr(float(ratio))) * entries)


def filter_dim(layer: nn.Module) -> int:
    """The dimension of a layer's weight along which its filters lie."""
    return kind_of(layer).dims['out']['weight']


def least_kept(name: str, layer: nn.Module, kept: int, keep_filters: bool) -> int:
    """The fewest weights a layer may keep: one, or one of each filter.

    Raises:
        ValueError: more filters than the layer keeps weights.
    """
    if not keep_filters:
        return 1
    filters = layer.weight.shape[filter_dim(layer)]
    if filters > kept:
        raise ValueError(
            f"the target leaves '{name}' {kept} weights and it has {filters} filters, so that some "
            f"must lose all; remove less, put '{name}' into ignore, or leave keep_filters out."
        )
    return filters


@torch.no_grad()
def top_mask(scores: Tensor, kept: int, filters: int | None = None) -> Tensor:
    """1 where |s| is among the `kept` largest, else 0, in the scores' shape and type.

    Of equal scores at the edge the first in memory order stay, on every device.

    Args:
        scores: s, of any shape.
        kept: how many stay.
        filters: a dimension along which every slice keeps its largest; None is no such promise.
    """
    if kept >= scores.numel():
        return torch.ones_like(scores)
    size = scores.detach().abs()
    if filters is not None:
        size = _largest_first(size, filters)
    size = size.flatten()
    choose = _on_cpu if size.device.type == 'cpu' else _on_device
    return choose(size, kept).view(scores.shape).to(scores.dtype)


def _largest_first(size: Tensor, dim: int) -> Tensor:
    """The sizes, with the largest of each slice along `dim` above all others."""
    rows = size.movedim(dim, 0)
    raised = rows.flatten(1).clone()
    raised.scatter_(1, raised.argmax(1, keepdim=True), torch.inf)
    return raised.view(rows.shape).movedim(0, dim)


def _on_cpu(size: Tensor, kept: int) -> Tensor:
    # NumPy's selection takes a fifth of the time of torch's on a CPU.
    values = (size.float() if size.dtype == torch.bfloat16 else size).numpy()
    edge = np.partition(values, values.size - kept)[values.size - kept]
    mask = values > edge
    mask[np.flatnonzero(values == edge)[: kept - np.count_nonzero(mask)]] = True
    return torch.from_numpy(mask)


def _on_device(size: Tensor, kept: int) -> Tensor:
    # Without a look at a number, for which the host would have to wait.
    edge = size.topk(kept, sorted=False).values.min()
    above = size > edge
    equal = size == edge
    return above | (equal & (equal.cumsum(0) <= kept - above.sum()))
