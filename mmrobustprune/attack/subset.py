"""Which images of a data set an attack is run on: the same ones for every model."""

from __future__ import annotations

import numpy as np


def choose_subset(
    total: int, size: int | None = None, pick: str = 'random', seed: int = 0
) -> np.ndarray:
    """Ascending indices of a subset.

    Random subsets of one seed are nested: a larger one contains the smaller.

    Args:
        total: images in the data set.
        size: how many; None takes all.
        pick: 'random', or 'first', the convention of RobustBench on CIFAR-10, whose test set is in
            random order (a folder of classes is not: its first images are of one class).
    Raises:
        ValueError: a size outside 1..total, or another pick.
    """
    if pick not in ('random', 'first'):
        raise ValueError(f"pick={pick!r} is unknown; choose 'random' or 'first'.")
    if size is None:
        return np.arange(total)
    if not 1 <= size <= total:
        raise ValueError(
            f'a subset of {size} images was asked for and the data set has {total}; give 1 to '
            f'{total}.'
        )
    if pick == 'first':
        return np.arange(size)
    return np.sort(np.random.default_rng(seed).permutation(total)[:size])
