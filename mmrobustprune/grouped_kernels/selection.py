"""Which grouped kernels stay without a search, and the names of all ways."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import torch
from torch import Tensor

from mmrobustprune.naming import check_fields, unknown

from .beam import Beam
from .clusters import Clustered, spread
from .density import DBSCAN
from .grouping import Given, Grouping, Ordered, RandomGroups, Snaking, generator
from .kernels import GroupedKernels
from .tickets import TMI

# (kernels, keep) -> kept input channels (n, keep), ascending
Search = Callable[[GroupedKernels, int], Tensor]


@dataclass(frozen=True)
class Largest:
    """The grouped kernels of the largest value stay in each group.

    Attributes:
        value: 'l2' and 'l1' keep the largest norms, 'mean' the largest |mean of the weights|, as
            the released code of SR-GKP has it, 'smoothness' the smoothest, so that the least smooth
            go (SR-GKP, C.1.2).

    Raises:
        ValueError: another value.
    """

    value: str = 'l2'

    def __post_init__(self) -> None:
        if self.value not in _VALUES:
            raise ValueError(f"value='{self.value}' is not known; give one of {sorted(_VALUES)}.")

    def __call__(self, kernels: GroupedKernels, keep: int) -> Tensor:
        order = _VALUES[self.value](kernels).argsort(dim=1, descending=True, stable=True)
        return order[:, :keep].sort(1).values


_VALUES = {
    'l2': lambda kernels: kernels.energy,
    'smoothness': lambda kernels: -kernels.roughness,
    'l1': lambda kernels: kernels.weight.abs().sum((1, 3, 4)),
    'mean': lambda kernels: kernels.weight.mean((1, 3, 4)).abs(),
}


@dataclass(frozen=True)
class RandomKept:
    """Chance, fixed by `seed` and the layer's name.

    Attributes:
        seed: of the draw.
    """

    seed: int = 0

    def __call__(self, kernels: GroupedKernels, keep: int) -> Tensor:
        draw = torch.rand(
            kernels.groups, kernels.channels, generator=generator(self.seed, kernels.layer)
        )
        return draw.argsort(1)[:, :keep].sort(1).values.to(kernels.weight.device)


@dataclass(frozen=True)
class Seeds:
    """The seeds of k-means++ stay: no way of SR-GKP's, a control of ours.

    These are grouped kernels drawn with probability as their squared distance to the nearest so
    far.

    Attributes:
        seed: with the layer's name, of the draw.
    """

    seed: int = 0

    def __call__(self, kernels: GroupedKernels, keep: int) -> Tensor:
        random = generator(self.seed, kernels.layer)
        vectors = kernels.weight.transpose(1, 2).flatten(2).cpu()
        drawn = torch.tensor([spread(points, keep, random) for points in vectors])
        return drawn.sort(1).values.to(kernels.weight.device)


SEARCHES: dict[str, Search] = {
    'beam': Beam(),
    'official': Beam(width=2, check_every=3, beta='first'),  # SR-GKP's released code as shipped
    'greedy': Beam(width=1, alpha=1),
    'tmi': Beam(width=1, alpha=1, beta=2, nearest=0.2),  # TMI-GKP's
    'l2': Largest('l2'),
    'l1': Largest('l1'),
    'mean': Largest('mean'),
    'least_smooth': Largest('smoothness'),  # removed, not kept
    'seeds': Seeds(),
    'random': RandomKept(),
}

GROUPINGS: dict[str, type[Grouping]] = {
    'snaking': Snaking,
    'ordered': Ordered,
    'random': RandomGroups,
    'clustered': Clustered,
    'dbscan': DBSCAN,
    'tmi': TMI,
    'given': Given,
}


def build_search(config: str | Mapping[str, Any] | Search) -> Search:
    """The search of a name in SEARCHES, of a dict such as `dict(type='beam', width=8)`, or itself.

    Raises:
        ValueError: an unknown name or field, with the nearest known one.
    """
    if callable(config):
        return config
    name, given = _read(config)
    if name not in SEARCHES:
        raise unknown('search', name, SEARCHES)
    check_fields(f"search '{name}'", given, inspect.signature(type(SEARCHES[name])).parameters)
    return replace(SEARCHES[name], **given)


def build_grouping(config: str | Mapping[str, Any] | Grouping) -> Grouping:
    """The grouping of a name in GROUPINGS, of a dict such as `dict(type='given', labels=...)`.

    A grouping comes back as it is.

    Raises:
        ValueError: an unknown name or field, with the nearest known one, or a field that has to be
            given.
    """
    if callable(config):
        return config
    name, given = _read(config)
    if name not in GROUPINGS:
        raise unknown('grouping', name, GROUPINGS)
    parameters = inspect.signature(GROUPINGS[name]).parameters
    check_fields(f"grouping '{name}'", given, parameters)
    for field, parameter in parameters.items():
        if parameter.default is parameter.empty and field not in given:
            raise ValueError(
                f"grouping '{name}' needs {field}; give dict(type='{name}', {field}=...)."
            )
    return GROUPINGS[name](**given)


def brief(way: Search | Grouping) -> str:
    """A search or grouping in one short text, with the fields that differ from their defaults."""
    if not is_dataclass(way):
        return getattr(way, '__name__', type(way).__name__)
    changed = [
        f'{field.name}={getattr(way, field.name)!r}'
        for field in fields(way)
        if field.repr and getattr(way, field.name) != field.default
    ]
    return f'{type(way).__name__}({", ".join(changed)})'


def _read(config: str | Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    given = dict(type=config) if isinstance(config, str) else dict(config)
    return given.pop('type', None), given
