"""Images of a data set as pixels in [0, 1], with their labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import Tensor
from torch.utils.data import DataLoader

from .runner import RebuildRunner


class LabelledImages:
    """The data set of a loader as pixels and labels.

    Args:
        loader: of a classifier's data.

    Attributes:
        dataset: the loader's.
        batch_size: the loader's, or 32.
        workers: processes that load.
    """

    def __init__(self, loader: DataLoader) -> None:
        self.dataset = loader.dataset
        self.batch_size = loader.batch_size or 32
        self.workers = loader.num_workers

    @classmethod
    def of_test_set(cls, config: Config) -> LabelledImages:
        """The images of a config's `test_dataloader`.

        Raises:
            ValueError: the config has none.
            FileNotFoundError: its data is not there.
        """
        settings = config.get('test_dataloader')
        if not settings:
            raise ValueError('the config has no test_dataloader; add the images to attack.')
        init_default_scope(config.get('default_scope') or 'mmengine')
        return cls(RebuildRunner.build_dataloader(settings))

    def __len__(self) -> int:
        return len(self.dataset)

    def batches(self, places: Sequence[Sequence[int]]) -> Iterator[tuple[Tensor, Tensor]]:
        """x (N, C, H, W) in [0, 1] and y (N,) for each list of places in the data set.

        Raises:
            ValueError: images of several sizes or no 8-bit ones, or without exactly one label.
        """
        loader = DataLoader(
            self.dataset,
            batch_sampler=places,
            num_workers=self.workers,
            collate_fn=list,
            generator=torch.Generator(),  # the training's stays where it is
        )
        for batch in loader:
            pixels = _pixels([one['inputs'] for one in batch])
            yield pixels, _labels([one['data_samples'] for one in batch])


def _pixels(inputs: Sequence[Tensor]) -> Tensor:
    for one in inputs:
        if one.shape != inputs[0].shape:
            raise ValueError(
                f'the test pipeline gives images of {tuple(inputs[0].shape)} and '
                f'{tuple(one.shape)}; crop or resize them to one size.'
            )
        if one.dtype != torch.uint8:
            raise ValueError(
                f'the test pipeline gives {one.dtype} images; attacks need the 8-bit ones, so '
                'leave normalising to the data_preprocessor.'
            )
    return torch.stack(list(inputs)).float() / 255


def _labels(samples: Sequence[Any]) -> Tensor:
    found = [sample.get('gt_label') for sample in samples]
    if any(label is None or label.numel() != 1 for label in found):
        raise ValueError(
            'a test image has no label or several, and right answers are counted of classifiers '
            'with one label an image; give such a one (tools/robustness.py takes detectors, too).'
        )
    return torch.cat([label.reshape(1) for label in found]).long()
