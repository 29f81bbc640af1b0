"""What each group is worth to the loss, measured by removing part of it for a moment."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from mmrobustprune.dependency.groups import Group

from .select import finite_scores, rise
from .without import without

PARTS = (0.25, 0.5)  # of a group's units
FLOOR = 0.25  # of the median weight: less than that a few batches cannot tell


def loss_weights(
    model: nn.Module,
    groups: Iterable[Group],
    scores: Mapping[str, Tensor],
    loss: Callable[[nn.Module], float],
) -> dict[str, float]:
    """The weight a of each group in rise = a R, fitted by least squares to measured rises.

    The rise is that of the loss when a quarter or a half of the group's units go, the lowest
    first, and R the sum of their `rise`. A weight is at least a quarter of the median one.

    Args:
        model: the network; as before afterwards.
        groups: its groups of channels.
        scores: (units,) of each group, higher is kept.
        loss: of a network; the same samples every time, with statistics of the batch.
    """
    dense = loss(model)
    weights = {}
    for group in groups:
        score = finite_scores(scores, group)
        order = np.argsort(score, kind='stable')
        lost = np.cumsum(rise(score)[order])
        rises = []
        sums = []
        for part in PARTS:
            gone = min(max(round(part * group.units), 1), group.units - 1)
            if gone < 1:
                continue
            lowest = torch.zeros(group.units, dtype=torch.bool)
            lowest[torch.from_numpy(order[:gone].copy())] = True
            with without(model, group, lowest):
                rises.append(loss(model) - dense)
            sums.append(lost[gone - 1])
        weights[group.name] = float(np.dot(rises, sums) / (np.dot(sums, sums) or 1.0))
    finite = [weight for weight in weights.values() if np.isfinite(weight)]
    most = max(finite, default=1.0)  # where the loss is no number without them
    weights = {name: one if np.isfinite(one) else most for name, one in weights.items()}
    least = FLOOR * float(np.median(list(weights.values())))
    if least <= 0:  # the loss tells nothing: groups are worth the same
        return dict.fromkeys(weights, 1.0)
    return {name: max(weight, least) for name, weight in weights.items()}
