"""One-shot channel pruning: trace, score, choose, verify, remove."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import MappingProxyType
from typing import Any

from torch import nn

from mmrobustprune.copies import copied
from mmrobustprune.cost.model import CostModel
from mmrobustprune.dependency.groups import Trace, matching
from mmrobustprune.dependency.recording import Forward
from mmrobustprune.masks.limits import Ratios, limits_of
from mmrobustprune.masks.maskset import MaskSet
from mmrobustprune.masks.ranked import RankedSelection
from mmrobustprune.masks.sensitivity import loss_weights
from mmrobustprune.scores import Magnitude, Score
from mmrobustprune.structure.rebuild import rebuild
from mmrobustprune.structure.record import Structure

from .followed import trace
from .verify import certify


def prune_channels(
    model: nn.Module,
    example_input: Any,
    ratio: float = 0.5,
    score: Score | None = None,
    ignore: Iterable[str] = (),
    budget: str = 'channels',
    scope: str = 'network',
    normalise: str = 'rise',
    min_keep: float = 0.1,
    round_to: int | None = None,
    layers: Iterable[str] | None = None,
    forward: Forward | None = None,
    ratios: Ratios = MappingProxyType({}),
    per: str = 'cost',
    weigh: str = 'scores',
    macs: float | None = None,
    attention: str = 'dims',
    loss: Callable[[nn.Module], float] | None = None,
    found: Trace | None = None,
) -> Structure:
    """Remove the lowest-scored channels of a model, in place, and return the record.

    Before anything is removed a certificate makes sure that the smaller network computes what the
    masked one does.

    Args:
        model: the dense network.
        example_input: one batch of inputs.
        ratio: the fraction removed of `budget`, in (0, 1), met within 0.01 from above.
        score: how much a channel matters; by default its L2 norms relative to those of the layers
            it is in, Magnitude(relative=True).
        ignore: layers whose widths stay: names, prefixes or fnmatch patterns.
        budget: 'channels', 'params' or 'macs'.
        scope: 'network' ranks all channels together, 'layer' takes the same share of each group,
            'isomorphic' of each set of groups that are made alike.
        normalise: how a group's scores are scaled before groups compete: a name in
            `mmrobustprune.masks.select.NORMALISE`.
        min_keep: share of its channels that every group keeps at least.
        round_to: the kept channels of a group that loses any are a multiple of it.
        layers: restricts the removal to the groups that hold one of these layers.
        forward: `forward(model, example_input)` returns the outputs that must keep their meaning;
            by default the model is called.
        ratios: {pattern of layer names: the largest fraction of a group that goes}, or the path of
            a JSON file that holds it.
        per: channels compete by their score per 'unit' or per 'cost', of the budget.
        weigh: what a group is worth as a whole, 'scores' (the sum of their squares), 'reads' (the
            square of the number of layers that read it), 'loss' (what it rises by without a part of
            the group) or 'none'.
        macs: the largest fraction of the MACs that may go along with another budget.
        attention: what a unit of an attention is, 'dims' or 'heads', as in `trace`.
        loss: for weigh='loss', `loss(model)` of the same training batches at every call: with
            statistics of the batch where BatchNorm's are computed anew afterwards (`recalibrate`),
            else with running ones.
        found: what `trace` gives for the same model, example, forward, ignore and attention, where
            it is known already.
    Raises:
        ValueError: the model cannot be traced, a pattern matches nothing, a demanded layer is
            unprunable, the budget cannot be met or the certificate fails; the model is left as it
            was.
    """
    found = found or trace(model, example_input, forward, ignore, attention)
    groups = found.groups if layers is None else _demanded(model, found, layers)
    cost = CostModel(model, groups, found.shapes)
    limits = limits_of(model, groups, ratios)
    rule = RankedSelection(
        cost, budget, scope, normalise, min_keep, round_to, limits, per, macs, weigh
    )
    _check_loss(weigh, loss)
    rule.check(ratio)
    score = score or Magnitude(relative=True)
    scores = score(model, groups)
    if loss is not None:
        rule = rule.weighed(loss_weights(copied(model), groups, scores, loss))
    alive = rule.plan(scores, ratio)
    masks = MaskSet.planned(model, groups, alive)
    certify(masks, example_input, forward)
    structure = masks.structure(type(score).__name__, **cost.removed(alive))
    rebuild(model, structure)
    return structure


def _check_loss(weigh: str, loss: Callable | None) -> None:
    if weigh == 'loss' and loss is None:
        raise ValueError(
            "weigh='loss' is measured on training batches; give theirs as loss, a function of the "
            "network, or choose 'scores', 'reads' or 'none'."
        )
    if weigh != 'loss' and loss is not None:
        raise ValueError(f"loss goes with weigh='loss', not with weigh='{weigh}'; leave one away.")


def _demanded(model: nn.Module, found: Trace, layers: Iterable[str]) -> tuple:
    """The groups that hold one of these layers."""
    names = [name for name, _ in model.named_modules()]
    wanted = matching(names, [layers] if isinstance(layers, str) else layers)
    groups = []
    given = set()
    for group in found.groups:
        if wanted.keys() & {part.layer for part in group.slices if part.side == 'out'}:
            groups.append(group)
            given |= {wanted.get(part.layer) for part in group.slices}
    for layer, pattern in wanted.items():
        if layer in found.unprunable and pattern not in given:
            raise ValueError(
                f"'{layer}' cannot be pruned: {found.unprunable[layer]}; take '{pattern}' out of "
                'layers.'
            )
    return tuple(groups)
