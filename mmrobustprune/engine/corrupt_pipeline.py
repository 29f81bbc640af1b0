"""A test pipeline that corrupts: an image is decoded once and comes out under every cell."""
from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
from torch.utils.data import DataLoader

from mmrobustprune.corruption import CLEAN, Cell


class CellPipeline:
    """A pipeline that returns one packed sample per cell, corrupted after loading and before any
    resize.

    The image is corrupted as soon as `results['img']` holds it: after the loading transform, whose
    images are BGR as mmcv makes them, or at once for data sets of RGB arrays (CIFAR).

    Args:
        transforms: those of the data set's own pipeline.
        cells: what to return, in this order; `CLEAN` leaves the image as it is.
        seed: the suite's seed.
    """

    def __init__(self, transforms: Sequence[Callable], cells: Sequence[Cell], seed: int) -> None:
        from mmrobustprune.corruption.apply import apply  # numba and skimage take seconds

        self.transforms, self.cells, self.seed = list(transforms), list(cells), seed
        self.apply = apply

    def __call__(self, data: dict) -> list[Any]:
        data, rest, bgr = load(data, self.transforms)
        image = data.pop('img')
        return [self._finish(data, image, bgr, cell, rest) for cell in self.cells]

    def _finish(self, data: dict, image: np.ndarray, bgr: bool, cell: Cell,
                rest: Sequence[Callable]) -> Any:
        sample = copy.deepcopy(data)
        try:
            sample['img'] = image.copy() if cell == CLEAN else self._corrupt(image, bgr, cell)
        except (TypeError, ValueError) as error:
            raise ValueError(f'{_name(data)}: {error}') from error
        for transform in rest:
            sample = transform(sample)
            if sample is None:
                raise ValueError(f'{_name(data)}: {type(transform).__name__} of the test pipeline '
                                 'drops it; an evaluation must keep every image.')
        return sample

    def _corrupt(self, image: np.ndarray, bgr: bool, cell: Cell) -> np.ndarray:
        raw = image.astype(np.uint8)
        if not np.array_equal(raw, image):   # to_float32=True holds the same 256 values
            raise ValueError(f'{cell.corruption} needs the values 0 to 255 and got other ones in '
                             f'{image.dtype}; load 8-bit images.')
        turn = slice(None, None, -1 if bgr and raw.ndim == 3 else 1)
        rgb = np.ascontiguousarray(raw[..., turn])
        out = self.apply(rgb, cell.corruption, cell.severity, self.seed)
        return np.ascontiguousarray(out[..., turn]).astype(image.dtype, copy=False)


def load(data: dict, transforms: Sequence[Callable]
         ) -> tuple[dict, Sequence[Callable], bool]:
    """Run a pipeline until the image is there.

    Returns:
        The results with `img`, the transforms still to run, and whether `img` is BGR.
    Raises:
        ValueError: the image cannot be read, or no transform gives one.
    """
    if isinstance(data.get('img'), np.ndarray):
        return data, transforms, False
    name = _name(data)
    for done, transform in enumerate(transforms, 1):
        try:
            data = transform(data)
        except Exception as error:
            reason = ' '.join(str(error).split()) or type(error).__name__
            raise ValueError(f'{name} cannot be read ({reason}); mend the file or take it out of '
                             'the data set.') from error
        if data is None:
            raise ValueError(f'{name} is dropped by {type(transform).__name__}; an evaluation must '
                             'keep every image.')
        if isinstance(data.get('img'), np.ndarray):
            return data, transforms[done:], True
    raise ValueError(f"the test pipeline gives {name} no 'img' array to corrupt; let it begin with "
                     'LoadImageFromFile.')


def _name(data: dict) -> str:
    return str(data.get('img_path') or f"image {data.get('sample_idx', '?')}")


def leaves(dataset: Any) -> list[Any]:
    """The data sets inside any wrapping that own a pipeline, each once.

    Raises:
        ValueError: a wrapper with a pipeline of its own (it mixes images), or nothing that has one.
    """
    inner = list(getattr(dataset, 'datasets', None) or [])
    if hasattr(dataset, 'dataset'):
        if hasattr(dataset, 'pipeline'):
            raise ValueError(f'{type(dataset).__name__} mixes images after loading, so none can be '
                             'corrupted alone; evaluate the data set inside it.')
        inner.append(dataset.dataset)
    if inner:
        return list({id(leaf): leaf for one in inner for leaf in leaves(one)}.values())
    if not hasattr(getattr(dataset, 'pipeline', None), 'transforms'):
        raise ValueError(f'{type(dataset).__name__} has no pipeline of transforms to corrupt in; '
                         'use a data set of mmdet or mmpretrain.')
    return [dataset]


@contextmanager
def corrupted(loader: DataLoader, cells: Sequence[Cell], seed: int) -> Iterator[DataLoader]:
    """A loader over the same batches of images, each item a list with one collated batch per cell.

    The data set gets its own pipelines back at the end.
    """
    owners = leaves(loader.dataset)
    before = [owner.pipeline for owner in owners]
    for owner, pipeline in zip(owners, before, strict=True):
        owner.pipeline = CellPipeline(pipeline.transforms, cells, seed)
    try:
        yield DataLoader(
            loader.dataset, batch_sampler=loader.batch_sampler, num_workers=loader.num_workers,
            collate_fn=partial(_collate, inner=loader.collate_fn), pin_memory=loader.pin_memory,
            worker_init_fn=loader.worker_init_fn, timeout=loader.timeout,
            prefetch_factor=loader.prefetch_factor,
            multiprocessing_context=loader.multiprocessing_context)
    finally:
        for owner, pipeline in zip(owners, before, strict=True):
            owner.pipeline = pipeline


def read(loader: DataLoader) -> Iterator[Any]:
    """The loader's batches; a worker's error comes without its traceback in the sentence."""
    try:
        yield from loader
    except ValueError as error:
        last = str(error).rstrip().splitlines()[-1]
        raise ValueError(last.removeprefix('ValueError: ')) from error


def _collate(images: Sequence[Sequence[Any]], inner: Callable) -> list[Any]:
    return [inner(list(samples)) for samples in zip(*images, strict=True)]
