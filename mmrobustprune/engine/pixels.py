"""An mmpretrain classifier as a function of pixels in [0, 1], and the test pictures in that form."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from mmengine.config import Config
from torch import Tensor, nn
from torch.utils.data import DataLoader

from mmrobustprune.attack import Classifier

from .base import RebuildRunner


class Preprocessed(nn.Module):
    """A data_preprocessor on pixels in [0, 1]: its own normalisation and channel order, as for pixels from 0 to 255."""

    def __init__(self, preprocessor: nn.Module) -> None:
        super().__init__()
        self.preprocessor = preprocessor

    def forward(self, pixels: Tensor) -> Tensor:
        return self.preprocessor(dict(inputs=255 * pixels), training=False)['inputs']


class Logits(nn.Module):
    """What `mode='tensor'` gives for pictures that are normalised already: (N, classes)."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, pictures: Tensor) -> Tensor:
        out = self.model(pictures, mode='tensor')
        if not isinstance(out, Tensor) or out.ndim != 2:
            raise ValueError(f"{type(self.model).__name__} gives no logits (N, classes) with mode='tensor'; give a classifier "
                             'of pictures with a linear head.')
        return out


def pixel_classifier(model: nn.Module) -> Classifier:
    """Logits of pixels in [0, 1], in the channel order of the data set's pipeline.

    Raises:
        ValueError: the model has no data_preprocessor (on the call: its outputs are no logits).
    """
    preprocessor = getattr(model, 'data_preprocessor', None)
    if preprocessor is None:
        raise ValueError(f'{type(model).__name__} has no data_preprocessor to normalise with; give an mmpretrain classifier.')
    return Classifier(Logits(model), Preprocessed(preprocessor))


class TestPictures:
    """The test set of a config as pixels and labels.

    Args:
        config: with `test_dataloader`.
    Raises:
        ValueError: the config has none.
        FileNotFoundError: its data is not there.
    """

    __test__ = False   # pytest takes the name for a test

    def __init__(self, config: Config) -> None:
        settings = config.get('test_dataloader')
        if not settings:
            raise ValueError('the config has no test_dataloader; add the pictures to attack.')
        loader = RebuildRunner.build_dataloader(settings)
        self.dataset, self.batch_size, self.workers = loader.dataset, loader.batch_size or 32, loader.num_workers

    def __len__(self) -> int:
        return len(self.dataset)

    def batches(self, places: Sequence[Sequence[int]]) -> Iterator[tuple[Tensor, Tensor]]:
        """x (N, C, H, W) in [0, 1] and y (N,) for each list of places in the data set.

        Raises:
            ValueError: pictures of several sizes or no 8-bit ones, or pictures without exactly one label.
        """
        for batch in DataLoader(self.dataset, batch_sampler=places, num_workers=self.workers, collate_fn=list):
            yield _pixels([one['inputs'] for one in batch]), _labels([one['data_samples'] for one in batch])


def _pixels(inputs: Sequence[Tensor]) -> Tensor:
    for one in inputs:
        if one.shape != inputs[0].shape:
            raise ValueError(f'the test pipeline gives pictures of {tuple(inputs[0].shape)} and {tuple(one.shape)}; crop or '
                             'resize them to one size.')
        if one.dtype != torch.uint8:
            raise ValueError(f'the test pipeline gives {one.dtype} pictures; attacks need the 8-bit ones, so leave normalising '
                             'to the data_preprocessor.')
    return torch.stack(list(inputs)).float() / 255


def _labels(samples: Sequence[Any]) -> Tensor:
    found = [getattr(sample, 'gt_label', None) for sample in samples]
    if any(label is None or label.numel() != 1 for label in found):
        raise ValueError('a test picture has no label or several; attacks count right answers, so give one label to each.')
    return torch.cat([label.reshape(1) for label in found]).long()
