"""How many scores are kept, and which."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import torch
from torch import Tensor


def kept_count(entries: int, ratio: float) -> int:
    """n - floor(ratio * n), with the ratio taken as the decimal number it is written as.

    In floating point 0.29 * 100 is 28.999999999999996 and one entry more would stay.
    """
    return entries - int(Fraction(repr(float(ratio))) * entries)


@torch.no_grad()
def top_mask(scores: Tensor, kept: int) -> Tensor:
    """1 where |s| is among the `kept` largest, else 0, in the scores' shape and type.

    Of equal scores at the edge the first in memory order stay, on every device.
    """
    if kept >= scores.numel():
        return torch.ones_like(scores)
    size = scores.detach().abs().flatten()
    choose = _on_cpu if size.device.type == 'cpu' else _on_device
    return choose(size, kept).view(scores.shape).to(scores.dtype)


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
