"""One-shot channel pruning: trace, score, choose, verify, remove."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

from torch import nn

from mmrobustprune.cost.model import CostModel
from mmrobustprune.dependency.groups import Trace, matching
from mmrobustprune.dependency.recording import Forward
from mmrobustprune.dependency.tracing import trace
from mmrobustprune.masks.maskset import MaskSet
from mmrobustprune.masks.ranked import RankedSelection
from mmrobustprune.scores import Magnitude, Score
from mmrobustprune.structure.rebuild import rebuild
from mmrobustprune.structure.record import Structure

from .verify import certify


def prune_channels(
    model: nn.Module,
    example_input: Any,
    ratio: float = 0.5,
    score: Score | None = None,
    ignore: Iterable[str] = (),
    budget: str = 'channels',
    scope: str = 'network',
    normalise: str = 'mean',
    min_keep: float = 0.1,
    round_to: int | None = None,
    layers: Iterable[str] | None = None,
    forward: Forward | None = None,
) -> Structure:
    """Remove the lowest-scored channels of a model, in place, and return the record.

    `ratio` is the fraction removed of `budget` ('channels', 'params' or 'macs'), in (0, 1),
    met within 0.01 from above; `score` defaults to the group L2 magnitude (Magnitude(p=2)).
    `layers` restricts the removal to groups that hold one of these layers, `ignore` keeps the
    widths of others. Before anything is removed a certificate makes sure that the smaller network
    computes what the masked one does. Raises ValueError, and leaves the model as it was, where the
    model cannot be traced, a pattern matches nothing, a demanded layer must stay unprunable, the budget
    cannot be met or the certificate fails.
    """
    found = trace(model, example_input, forward, ignore)
    groups = found.groups if layers is None else _demanded(model, found, layers)
    cost = CostModel(model, groups, found.shapes)
    rule = RankedSelection(cost, budget, scope, normalise, min_keep, round_to)
    rule.check(ratio)
    score = score or Magnitude()
    alive = rule.plan(score(model, groups), ratio)
    masks = MaskSet(copy.deepcopy(model), groups)
    masks.remove(alive)
    certify(masks, example_input, forward)
    structure = masks.structure(type(score).__name__, **cost.removed(alive))
    rebuild(model, structure)
    return structure


def _demanded(model: nn.Module, found: Trace, layers: Iterable[str]) -> tuple:
    wanted = matching(
        [name for name, _ in model.named_modules()], [layers] if isinstance(layers, str) else layers
    )
    groups = tuple(
        group
        for group in found.groups
        if any(part.side == 'out' and part.layer in wanted for part in group.slices)
    )
    given = {wanted.get(part.layer) for group in groups for part in group.slices}
    for layer, pattern in wanted.items():
        if layer in found.unprunable and pattern not in given:
            raise ValueError(
                f"'{layer}' cannot be pruned: {found.unprunable[layer]}; take '{pattern}' out of layers."
            )
    return groups
