"""One-shot grouped-kernel pruning: choose, group, search, fold, certify, remove."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from mmrobustprune.dependency.groups import find_layer, learned
from mmrobustprune.dependency.kinds import kind_of
from mmrobustprune.dependency.recording import Forward
from mmrobustprune.structure.grouped_record import GroupedRecord
from mmrobustprune.structure.rebuild import rebuild
from mmrobustprune.structure.record import Structure, dense_shape

from .certificate import certify_grouped
from .folding import Fold, find_folds
from .grouping import Grouping, filter_order
from .kernels import GroupedKernels, arrange, score
from .layers import check_groups, check_ratio, choose_layers
from .selection import Search, brief, build_grouping, build_search


@dataclass(frozen=True, eq=False)
class Decision:
    """What was decided for one layer.

    Attributes:
        kernels: the layer's grouped kernels.
        order: (O,), its filters group by group.
        kept: (n, K), input channels that each group keeps.
        number: of this layer among those that are pruned, from 1 on.
        total: how many layers are pruned.
        seconds: time it took.
        grouping: of these, until the groups were there.
    """

    kernels: GroupedKernels
    order: Tensor
    kept: Tensor
    number: int
    total: int
    seconds: float
    grouping: float

    @property
    def layer(self) -> str:
        return self.kernels.layer

    def to_dict(self) -> dict:
        """For a trace: filters, roughness, kept channels and score (equation 3) of every group."""
        rough = self.kernels.roughness
        return dict(
            layer=self.layer,
            seconds=self.seconds,
            grouping=self.grouping,
            filters=self.order.view(len(self.kept), -1).tolist(),
            roughness=rough.sum(1).tolist(),
            kept=self.kept.tolist(),
            roughness_kept=rough.gather(1, self.kept).sum(1).tolist(),
            score=score(self.kernels.similarity, self.kept).tolist(),
        )

    def explain(self) -> str:
        """The same for a reader, a line per group."""
        one = self.to_dict()
        groups, keep = self.kept.shape
        lines = [
            f'{self.layer}: {groups} groups of {len(self.order) // groups} filters, each reads '
            f'{keep} of {self.kernels.channels} channels'
        ]
        rows = zip(
            one['filters'],
            one['kept'],
            one['roughness'],
            one['roughness_kept'],
            one['score'],
            strict=True,
        )
        for filters, kept, before, after, value in rows:
            lines.append(
                f'  filters {_list(filters)} read {_list(kept)}; roughness {before:.4g} -> '
                f'{after:.4g}, score {value:.4g}'
            )
        return '\n'.join(lines)


def prune_grouped_kernels(
    model: nn.Module,
    ratio: float = 0.5,
    groups: int = 8,
    layers: str | Iterable[str] = '3x3',
    search: str | Mapping[str, Any] | Search = 'beam',
    grouping: str | Mapping[str, Any] | Grouping = 'snaking',
    ignore: Iterable[str] = (),
    pointwise: str | Mapping[str, Any] | Search | None = None,
    example_input: Any = None,
    forward: Forward | None = None,
    progress: Callable[[Decision], None] | None = None,
) -> Structure:
    """Let each group of filters of a trained network read few input channels, in place.

    SR-GKP (NeurIPS 2023). Each chosen convolution (O, C, kh, kw) becomes a dense grouped one
    (O, K, kh, kw), with K = (1 - ratio) * C and a gather of channels before it. The new order of
    its filters is written into the batch normalisation and the convolutions behind it where they
    can be found, and undone by a second gather elsewhere. Weights alone are used, no data.

    Args:
        model: the dense network.
        ratio: fraction of the kernels that is removed from every chosen layer, in (0, 1); K must be
            a whole number.
        groups: n, which divides the filters of every chosen layer.
        layers: '3x3', 'all' (both without stems and shortcuts), or names, prefixes and patterns of
            convolutions.
        search: which kernels stay, a name in SEARCHES ('beam', 'official', 'greedy', 'tmi', 'l2',
            'l1', 'mean', 'least_smooth', 'seeds', 'random'), `dict(type='beam', width=8)`, or a
            callable.
        grouping: which filters form a group, a name in GROUPINGS, a dict, or a Grouping.
        ignore: names, prefixes or patterns of layers that stay as they are.
        pointwise: another search for 1x1 convolutions (wide ones take the beam long; 'greedy' is
            quick); None: the same.
        example_input: to compare the whole masked and grouped networks as well.
        forward: `forward(model, example_input)` runs the network.
        progress: is told every layer's decision as soon as it is made.

    Returns:
        The record of the pruned network.

    Raises:
        ValueError: what was asked for is not possible, or the result would not be the masked
            network; the model is as before.
    """
    chosen = choose_layers(model, layers, ignore)
    check_groups(chosen, groups)
    keep = check_ratio(chosen, ratio)
    grouping = build_grouping(grouping)
    search = build_search(search)
    pointwise = search if pointwise is None else build_search(pointwise)
    records = {}
    for number, (name, conv) in enumerate(chosen.items(), 1):
        start = time.perf_counter()
        way = pointwise if conv.kernel_size == (1, 1) else search
        kernels, order = _group(name, conv, groups, grouping)
        grouped = time.perf_counter() - start
        kept = _choose(kernels, keep[name], way)
        records[name] = GroupedRecord(kept.cpu(), order.argsort().cpu(), restored=False)
        if progress is not None:
            seconds = time.perf_counter() - start
            progress(Decision(kernels, order, kept, number, len(chosen), seconds, grouped))
    folds = find_folds(model, chosen)
    method = f'grouped kernels, {brief(grouping)}, {brief(search)}'
    structure = Structure(_entries(model, records, folds), method, _removed(model, chosen, keep))
    certify_grouped(model, structure, folds, example_input, forward)
    rebuild(model, structure)
    return structure


@torch.no_grad()
def _group(
    name: str, conv: nn.Conv2d, groups: int, grouping: Grouping
) -> tuple[GroupedKernels, Tensor]:
    """A layer's grouped kernels, and its filters (O,) in their order."""
    weight = conv.weight.detach().double()
    order = filter_order(name, grouping(name, weight, groups), len(weight), groups)
    return arrange(name, weight, order, groups), order


@torch.no_grad()
def _choose(kernels: GroupedKernels, keep: int, search: Search) -> Tensor:
    """What a search keeps, (n, K)."""
    groups = kernels.groups
    kept = search(kernels, keep)
    ascending = kept.shape == (groups, keep) and bool((kept.diff(dim=1) > 0).all())
    if not ascending or kept.min() < 0 or kept.max() >= kernels.channels:
        raise ValueError(
            f"the search gave channels {tuple(kept.shape)} for '{kernels.layer}'; it has to give "
            f'({groups}, {keep}), different ones of 0 to {kernels.channels - 1} in each group, '
            'ascending.'
        )
    return kept


def _entries(
    model: nn.Module, records: dict[str, GroupedRecord], folds: Mapping[str, Fold]
) -> dict[str, dict]:
    """The structure's entries; what an order is folded into follows its layer."""
    records = dict(records)
    others: dict[str, dict] = {}
    for name, record in records.items():
        old = torch.equal(record.out_index, torch.arange(len(record.out_index)))
        if old or name not in folds:
            records[name] = replace(records[name], restored=not old)
            continue
        for layer in folds[name].through:
            others[layer] = {'out': record.order.tolist()}
        for layer in folds[name].readers:
            if layer in records:
                records[layer] = replace(records[layer], arriving=record.order)
            else:
                others[layer] = {'in': record.order.tolist()}
    entries = {}
    for name, module in model.named_modules():
        shape = dense_shape(module) if name in records or name in others else None
        if name in records:
            entries[name] = records[name].write(shape)
        elif name in others:
            entries[name] = dict(kind=kind_of(module).name, shape=shape, **others[name])
    return entries


def _removed(
    model: nn.Module, chosen: Mapping[str, nn.Conv2d], keep: Mapping[str, int]
) -> dict[str, float]:
    """Removed fractions of the chosen layers' kernels and of all parameters."""
    kernels = {name: conv.out_channels * conv.in_channels for name, conv in chosen.items()}
    lost = {name: 1 - keep[name] / conv.in_channels for name, conv in chosen.items()}
    removed = sum(count * lost[name] for name, count in kernels.items())
    weights = sum(find_layer(model, name).weight.numel() * share for name, share in lost.items())
    return dict(
        kernels=removed / sum(kernels.values()),
        params=weights / sum(p.numel() for p in learned(model)),
    )


def _list(numbers: list[int]) -> str:
    return ' '.join(map(str, numbers))
