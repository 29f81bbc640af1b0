"""The smallest numbers of rows, and where they are."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def lowest(values: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The smallest of every row, ascending, the first place of several equals first.

    Rows are gone through once for each: for a few that is faster than `topk`, which promises no
    order among equals.

    Args:
        values: (..., C), contiguous; changed on the way and as it was in the end.
        count: of each row, at most C.

    Returns:
        Values and places, both (..., count).
    """
    least = []
    places = []
    for _ in range(count):
        place = _first_lowest(values)
        least.append(values.gather(-1, place))
        places.append(place)
        values.scatter_(-1, place, math.inf)
    least = torch.cat(least, -1)
    places = torch.cat(places, -1)
    values.scatter_(-1, places, least)
    return least, places


def _first_lowest(values: Tensor) -> Tensor:
    """Places (..., 1) of the minima of (..., C)."""
    if values.device.type == 'cpu':  # numpy's takes a tenth to a fifth of the time of torch's
        return torch.from_numpy(values.numpy().argmin(-1))[..., None]
    return values.argmin(-1, keepdim=True)
