"""Batches of a training set that depend on a seed alone, wherever the training stands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from mmengine.dist import get_dist_info
from torch.utils.data import DataLoader, Dataset

from mmrobustprune.rng import seeded


class SampleSeeds(Dataset):
    """A data set whose sample depends on seed and place, and on nothing that was drawn before."""

    def __init__(self, dataset: Any, seed: int) -> None:
        self.dataset = dataset
        self.seed = seed

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, place: int) -> Any:
        with seeded(self.seed, place):
            return self.dataset[int(place)]


def batch_size(loader: DataLoader) -> int:
    """Samples of a batch, also where a batch sampler of its own decides it."""
    return loader.batch_size or getattr(loader.batch_sampler, 'batch_size', 1)


def sampled_batches(loader: DataLoader, images: int, seed: int = 0) -> Iterator[Any]:
    """Collated batches of random samples, each at most once, the same at every call.

    Several processes share them, and each gets as many as the others; where their number does not
    divide, a few are taken twice. Neither the loader's sampler nor the training's generators move.

    Args:
        loader: whose data set, transforms, batch size and workers.
        images: how many, of all processes together.
        seed: of the choice and of what the transforms draw.
    """
    rank, world = get_dist_info()
    chosen = np.random.default_rng(seed).permutation(len(loader.dataset))[:images]
    mine = np.resize(chosen, -(-len(chosen) // world) * world)[rank::world]
    count = -(-len(mine) // batch_size(loader))  # of about equal size: none is of one image alone
    yield from DataLoader(
        SampleSeeds(loader.dataset, seed),
        batch_sampler=[part.tolist() for part in np.array_split(mine, count)],
        num_workers=loader.num_workers,
        collate_fn=loader.collate_fn,
        multiprocessing_context=loader.multiprocessing_context,
        generator=torch.Generator(),  # the training's stays where it is
    )
