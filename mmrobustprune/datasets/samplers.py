"""Batches that come several times in a row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch.utils.data import BatchSampler, Sampler

from mmrobustprune.registry import DATA_SAMPLERS


@DATA_SAMPLERS.register_module()
class ReplayedBatchSampler(BatchSampler):
    """Each batch of the sampler `times` times in a row.

    Free adversarial training (arXiv 1904.12843) trains on it by
    `train_dataloader=dict(batch_sampler=dict(type='mmrobustprune.ReplayedBatchSampler', times=4))`;
    an epoch has `times` as many iterations, so divide the epochs. Under `ResumableEpochLoop` and
    `ResumableIterLoop` the repeats are the same to the bit; under mmengine's own loops each is
    augmented anew.

    Args:
        times: m, how often a batch comes.
        sampler, batch_size, drop_last: of torch's BatchSampler.
    Raises:
        ValueError: times is no whole number >= 1.
    """

    def __init__(
        self, sampler: Sampler, batch_size: int, drop_last: bool = False, times: int = 4
    ) -> None:
        if not isinstance(times, int) or times < 1:
            raise ValueError(
                f'ReplayedBatchSampler got times={times!r}; give a whole number of at least 1.'
            )
        super().__init__(sampler, batch_size, drop_last)
        self.times = times

    def __iter__(self) -> Iterator[list[Any]]:
        for batch in super().__iter__():
            for _ in range(self.times):
                yield list(batch)

    def __len__(self) -> int:
        return self.times * super().__len__()
