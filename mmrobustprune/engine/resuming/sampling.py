"""Data loading that depends on (seed, epoch, sample index) alone and can start again at any batch.

`make_loader_resumable(loader, seed)` changes a DataLoader in place: its sampler tells each index
which pass it belongs to, its data set seeds Python, NumPy and torch from that for every sample, and
its batch sampler can be moved ahead without loading anything. `num_workers` and
`persistent_workers` then make no difference to what is loaded. A sample that one pass shows several
times (class-aware or repeated sampling) is augmented anew each time.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any

import torch
from mmengine.dist import get_dist_info
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from mmrobustprune.rng import reseed, seeded


class Draw(int):
    """A sample index with its draw: (epoch, pass in an endless epoch, repetition in the pass)."""

    draw: tuple[int, int, int] = (0, 0, 0)

    def __new__(cls, index: int, draw: tuple[int, int, int]) -> Draw:
        self = super().__new__(cls, index)
        self.draw = draw
        return self

    def __reduce__(self):
        return Draw, (int(self), self.draw)


class Proxy:
    """Stands before an object and passes everything on, isinstance and assignments included."""

    def __init__(self, inner: Any, **own: Any):
        vars(self).update(own, inner=inner)

    def __getattr__(self, name: str) -> Any:
        if name == 'inner' or name.startswith('__'):  # dunders (__getitems__) would go around us
            raise AttributeError(name)
        return getattr(self.inner, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in vars(self):
            vars(self)[name] = value
        else:
            setattr(self.inner, name, value)

    @property
    def __class__(self) -> type:
        return type(self.inner)

    def __reduce__(self):
        return _rebuilt, (type(self), dict(vars(self)))

    def __len__(self) -> int:
        return len(self.inner)


def _rebuilt(kind: type, state: dict[str, Any]) -> Proxy:
    proxy = object.__new__(kind)
    vars(proxy).update(state)
    return proxy


class SeededDataset(Proxy):
    """A data set whose sample depends on seed, draw and index, and on nothing before it."""

    def __getitem__(self, index: int) -> Any:
        key = self.sample_seed, *getattr(index, 'draw', Draw.draw), index
        if get_worker_info() is not None:  # nothing else draws there, so nothing is put back
            reseed(*key)
            return self.inner[int(index)]
        with seeded(*key):
            return self.inner[int(index)]


class DrawSampler(Proxy):
    """A sampler that hands out `Draw`s; an endless one counts its passes over the data set."""

    def __iter__(self) -> Iterator[Draw]:
        rank, world = get_dist_info()
        copies = getattr(self.inner, 'num_repeats', 1)  # RepeatAug spreads them over the ranks
        turn = 0
        seen = Counter()
        for count, index in enumerate(self.inner):
            position = count * world + rank
            if position // self.samples != turn:
                turn = position // self.samples
                seen.clear()
            repetition = seen[index] * copies + position % copies
            yield Draw(index, (self.epoch_now, turn, repetition))
            seen[index] += 1

    def set_epoch(self, epoch: int) -> None:
        self.epoch_now = epoch
        if hasattr(self.inner, 'set_epoch'):
            self.inner.set_epoch(epoch)


class AdvancingBatches(Proxy):
    """A batch sampler that can be moved ahead by a number of batches without loading them."""

    def __iter__(self) -> Iterator[list[int]]:
        batches = self.ahead if self.ahead is not None else iter(self.inner)
        self.ahead = None
        yield from batches

    def advance(self, batches: int) -> int:
        """Drop batches of the coming pass; returns by how many it was too short."""
        self.ahead = iter(self.inner)
        return batches - sum(1 for _ in islice(self.ahead, batches))


def make_loader_resumable(loader: DataLoader, seed: int) -> None:
    """Change a loader of a map-style data set in place (see the top of this file).

    Raises:
        ValueError: the loader has no batches of indices to count (an iterable data set, or
            batch_size=None).
    """
    batches = loader.batch_sampler
    if isinstance(loader.dataset, IterableDataset) or not hasattr(batches, 'sampler'):
        raise ValueError(
            f'train_dataloader over {type(loader.dataset).__name__} has no batch sampler with a '
            'sampler inside, so a killed training could not go on where it stopped; use a '
            'map-style data set with a batch_size.'
        )
    _warn_of_caches(loader.dataset)
    dataset = SeededDataset(loader.dataset, sample_seed=seed)
    sampler = DrawSampler(batches.sampler, epoch_now=0, samples=len(loader.dataset))
    shared = loader.sampler is batches.sampler
    batches.sampler = sampler
    # DataLoader refuses these assignments once built; its own __dict__ does not. The generator
    # keeps iter(loader) from drawing a worker seed out of the training's stream.
    vars(loader).update(
        dataset=dataset,
        batch_sampler=AdvancingBatches(batches, ahead=None),
        sampler=sampler if shared else loader.sampler,
        generator=torch.Generator().manual_seed(seed),
    )


def _warn_of_caches(dataset: Any) -> None:
    names = sorted(
        {type(step).__name__ for step in _transforms(dataset) if hasattr(step, 'results_cache')}
    )
    if names:
        warnings.warn(
            f'{", ".join(names)} mixes in images that were loaded earlier, so a resumed training '
            'sees other mixtures than an uninterrupted one; the forms without Cached do not.',
            stacklevel=3,
        )


def _transforms(dataset: Any) -> Iterator[Any]:
    pipeline = getattr(dataset, 'pipeline', ())
    steps = getattr(pipeline, 'transforms', pipeline)
    yield from steps if isinstance(steps, (list, tuple)) else ()
    for part in getattr(dataset, 'datasets', None) or [getattr(dataset, 'dataset', None)]:
        if part is not None:
            yield from _transforms(part)
