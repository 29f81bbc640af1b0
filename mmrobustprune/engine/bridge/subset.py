"""A random part of a test set, which stands for the whole."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmengine.dist import get_world_size
from mmengine.evaluator import Evaluator
from torch.utils.data import BatchSampler, DataLoader, Dataset, SequentialSampler

from .data import info_of


class SomeImages(Dataset):
    """Some images of a data set, each under a new number.

    Args:
        dataset: of mmengine.
        chosen: places in it.
    """

    def __init__(self, dataset: Any, chosen: list[int]) -> None:
        self.dataset = dataset
        self.chosen = chosen

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, index: int) -> Any:
        return self.dataset[self.chosen[index]]

    def get_data_info(self, index: int) -> dict[str, Any]:
        """As `info_of`."""
        return info_of(self.dataset, self.chosen[index])


def part_of(loader: DataLoader, size: int, seed: int, evaluator: Evaluator) -> DataLoader:
    """A loader over `size` random images, in the order of the data set.

    Args:
        loader: of the whole test set.
        size: at least 2, for an interval, and at most all images.
        seed: of the choice.
        evaluator: whose metrics must count the images that they see.
    Raises:
        ValueError: more images than there are, several processes, or a metric that counts images
            which it does not see.
    """
    count = len(loader.dataset)
    if not 2 <= size <= count:
        raise ValueError(
            f'robust_eval.subset is {size} and the test set has {count} images; give a number from '
            f'2 to {count}.'
        )
    if get_world_size() > 1:
        raise ValueError(
            f'robust_eval.subset={size} is for one process and there are {get_world_size()}; leave '
            'the launcher out, or the subset.'
        )
    for metric in evaluator.metrics:
        if hasattr(metric, '_coco_api'):
            raise ValueError(
                f'{type(metric).__name__} counts all images of its annotation file, seen or not; '
                'leave robust_eval.subset out, or give a file of fewer images.'
            )
    chosen = np.random.default_rng(seed).choice(count, size, replace=False)
    part = SomeImages(loader.dataset, sorted(chosen.tolist()))
    return DataLoader(
        part,
        batch_sampler=BatchSampler(SequentialSampler(part), loader.batch_size or 1, False),
        num_workers=loader.num_workers,
        collate_fn=loader.collate_fn,
        pin_memory=loader.pin_memory,
        worker_init_fn=loader.worker_init_fn,
        timeout=loader.timeout,
        multiprocessing_context=loader.multiprocessing_context,
    )
