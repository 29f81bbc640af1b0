"""One stream of corrupted batches for all passes and all models: workers never wait between two corruptions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch.utils.data import DataLoader, Dataset

from mmrobustprune.corruption import Cell

from .pipeline import CellPipeline, Memory, Shared, Source, Unreadable, leaves

Key = tuple[int, int]  # number of the pass, index of the image


class CellData(Dataset):
    """Several data sets over the same images; an item is, per data set, one sample per cell of the pass.

    Args:
        datasets: of mmengine, in whose pipelines `corrupted` has put a `CellPipeline`.
        passes: the cells of each pass.
    """

    def __init__(
        self,
        datasets: Sequence[Any],
        pipelines: Sequence[CellPipeline],
        passes: Sequence[Sequence[Cell]],
    ) -> None:
        self.datasets, self.pipelines, self.passes = datasets, pipelines, passes

    def __getitem__(self, key: Key) -> list[list[Any]] | Unreadable:
        number, index = key
        for pipeline in self.pipelines:
            pipeline.cells = self.passes[number]
        samples = []
        for dataset in self.datasets:
            samples.append(dataset[index])
            if isinstance(samples[-1], Unreadable):
                return samples[-1]
        return samples


class Passes:
    """A batch sampler: the same batches of images in every pass."""

    def __init__(self, batches: Sequence[Sequence[int]], passes: int) -> None:
        self.batches, self.passes = batches, passes

    def __iter__(self) -> Iterator[list[Key]]:
        for number in range(self.passes):
            for batch in self.batches:
                yield [(number, index) for index in batch]

    def __len__(self) -> int:
        return len(self.batches) * self.passes


@contextmanager
def corrupted(
    loaders: Sequence[DataLoader], passes: Sequence[Sequence[Cell]], source: Source, workers: int
) -> Iterator[DataLoader]:
    """A loader over the first loader's batches, once per pass; an item holds per loader one collated batch per cell.

    The data sets get their own pipelines back at the end.

    Args:
        loaders: over the same images in the same order.
        passes: the cells of each pass.
        source: gives the corrupted images; every one is made once for all loaders.
        workers: processes that decode and corrupt.
    Raises:
        ValueError: a worker died.
    """
    first, shared, memory = loaders[0], Shared(source), Memory()
    owners = list(
        {id(owner): owner for loader in loaders for owner in leaves(loader.dataset)}.values()
    )
    before = [owner.pipeline for owner in owners]
    for owner, pipeline in zip(owners, before, strict=True):
        owner.pipeline = CellPipeline(pipeline.transforms, shared, memory)
    data = CellData(
        [loader.dataset for loader in loaders], [owner.pipeline for owner in owners], passes
    )
    try:
        yield DataLoader(
            data,
            batch_sampler=Passes([list(batch) for batch in first.batch_sampler], len(passes)),
            num_workers=workers,
            collate_fn=partial(_collate, inner=[loader.collate_fn for loader in loaders]),
            pin_memory=first.pin_memory,
            worker_init_fn=first.worker_init_fn,
            timeout=first.timeout,
            multiprocessing_context=first.multiprocessing_context if workers else None,
        )
    except RuntimeError as error:  # torch raises it wherever the main process is when a worker dies
        if 'DataLoader worker' not in str(error):
            raise
        raise ValueError(
            f'one of {workers} worker processes died ({str(error).splitlines()[0].rstrip(". ")}); finished cells are kept, '
            'start again, with a smaller robust_eval.workers if memory was short.'
        ) from error
    finally:
        for owner, pipeline in zip(owners, before, strict=True):
            owner.pipeline = pipeline


def _collate(
    images: Sequence[Any], inner: Sequence[Callable]
) -> list[list[Any]] | list[Unreadable]:
    """Per loader one batch per cell; where an image cannot be read, those that cannot."""
    unreadable = [image for image in images if isinstance(image, Unreadable)]
    if unreadable:
        return unreadable
    return [
        [collate(list(samples)) for samples in zip(*cells, strict=True)]
        for collate, cells in zip(inner, zip(*images, strict=True), strict=True)
    ]


def read(loader: DataLoader) -> Iterator[Any]:
    """The loader's batches; a worker's error comes without its traceback in the sentence."""
    try:
        yield from loader
    except ValueError as error:
        last = str(error).rstrip().splitlines()[-1]
        raise ValueError(last.removeprefix('ValueError: ')) from error


def unreadable_images(found: Sequence[Unreadable], images: int) -> ValueError:
    """The error that names and counts images which cannot be read."""
    if len(found) == 1:
        return ValueError(
            f'{found[0].name} cannot be read ({found[0].reason}); mend the file or take it out of the data set.'
        )
    names = [f'{one.name} ({one.reason})' for one in found[:5]]
    more = f' and {len(found) - len(names)} more' if len(found) > len(names) else ''
    return ValueError(
        f'{len(found)} of {images} images cannot be read: {", ".join(names)}{more}; mend the files or take them '
        'out of the data set.'
    )
