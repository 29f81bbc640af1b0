"""Pictures of a data set as pixels in [0, 1], with their labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from mmengine.config import Config
from torch import Tensor
from torch.utils.data import DataLoader

from .runner import RebuildRunner


class Pictures:
    """The data set of a loader as pixels and labels."""

    def __init__(self, loader: DataLoader) -> None:
        self.dataset, self.batch_size, self.workers = (
            loader.dataset,
            loader.batch_size or 32,
            loader.num_workers,
        )

    def __len__(self) -> int:
        return len(self.dataset)

    def batches(self, places: Sequence[Sequence[int]]) -> Iterator[tuple[Tensor, Tensor]]:
        """x (N, C, H, W) in [0, 1] and y (N,) for each list of places in the data set.

        Raises:
            ValueError: pictures of several sizes or no 8-bit ones, or pictures without exactly one label.
        """
        for batch in DataLoader(
            self.dataset,
            batch_sampler=places,
            num_workers=self.workers,
            collate_fn=list,
            generator=torch.Generator(),
        ):  # the training's stays where it is
            yield (
                _pixels([one['inputs'] for one in batch]),
                _labels([one['data_samples'] for one in batch]),
            )


class TestPictures(Pictures):
    """The test set of a config.

    Args:
        config: with `test_dataloader`.
    Raises:
        ValueError: the config has none.
        FileNotFoundError: its data is not there.
    """

    __test__ = False  # pytest takes the name for a test

    def __init__(self, config: Config) -> None:
        settings = config.get('test_dataloader')
        if not settings:
            raise ValueError('the config has no test_dataloader; add the pictures to attack.')
        super().__init__(RebuildRunner.build_dataloader(settings))


def _pixels(inputs: Sequence[Tensor]) -> Tensor:
    for one in inputs:
        if one.shape != inputs[0].shape:
            raise ValueError(
                f'the test pipeline gives pictures of {tuple(inputs[0].shape)} and {tuple(one.shape)}; crop or '
                'resize them to one size.'
            )
        if one.dtype != torch.uint8:
            raise ValueError(
                f'the test pipeline gives {one.dtype} pictures; attacks need the 8-bit ones, so leave normalising '
                'to the data_preprocessor.'
            )
    return torch.stack(list(inputs)).float() / 255


def _labels(samples: Sequence[Any]) -> Tensor:
    found = [getattr(sample, 'gt_label', None) for sample in samples]
    if any(label is None or label.numel() != 1 for label in found):
        raise ValueError(
            'a test picture has no label or several; attacks count right answers, so give one label to each.'
        )
    return torch.cat([label.reshape(1) for label in found]).long()
