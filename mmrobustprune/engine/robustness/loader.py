"""One stream of corrupted batches for all passes and models, so that workers never wait."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch.utils.data import DataLoader, Dataset

from mmrobustprune.corruption import Cell

from .pipeline import CellPipeline, Memory, Shared, Source, Unreadable, leaves

Key = tuple[int, int]  # number of the pass, index of the image


class Stream:
    """The batches of one loader, made of samples that arrive in the batches of the first one.

    A loader of other batches gets its own, collated here instead of in the workers: detectors pad
    a batch to its largest image, so that boxes may depend on which images stand together.

    Args:
        loader: whose batches.
        first: the first loader's batches, as image indices; None where this is the first.
    Raises:
        ValueError: the loader goes over other images than the first one.
    """

    def __init__(self, loader: DataLoader, first: list[list[int]] | None = None) -> None:
        self.loader = loader
        self.batches = [list(batch) for batch in loader.batch_sampler]
        self.first = self.batches if first is None else first
        self.is_alike = self.batches == self.first
        self.waiting: dict[int, list[list[Any]]] = {}
        self.done = 0
        if _counts(self.batches) != _counts(self.first):
            raise ValueError(
                f'the samplers of the test loaders ({type(loader.sampler).__name__} is one) choose '
                'different images; evaluate the models one by one.'
            )

    @property
    def collate(self) -> Callable[[list], Any]:
        """What the workers make of the samples of a batch."""
        return self.loader.collate_fn if self.is_alike else list

    def begin(self) -> None:
        """Begin a pass over the data."""
        self.waiting = {}
        self.done = 0

    def take(self, number: int, cells: Sequence[Any]) -> Iterator[tuple[int, list[Any]]]:
        """Number and collated batches (one per cell) of what is complete with a batch that arrived.

        Args:
            number: of the first loader's batch.
            cells: per cell what `collate` made of it.
        """
        if self.is_alike:
            yield number, list(cells)
            return
        for index, *samples in zip(self.first[number], *cells, strict=True):
            self.waiting.setdefault(index, []).append(samples)
        while self.done < len(self.batches) and self._is_complete(self.batches[self.done]):
            rows = [self.waiting[index].pop(0) for index in self.batches[self.done]]
            yield (
                self.done,
                [self.loader.collate_fn(list(cell)) for cell in zip(*rows, strict=True)],
            )
            self.done += 1

    def _is_complete(self, batch: Sequence[int]) -> bool:
        # processes of a distributed run may see an image twice
        needed = Counter(batch)
        return all(len(self.waiting.get(index, ())) >= needed[index] for index in needed)


def _counts(batches: Sequence[Sequence[int]]) -> Counter[int]:
    counts: Counter[int] = Counter()
    for batch in batches:
        counts.update(batch)
    return counts


class CellData(Dataset):
    """Several data sets over the same images; an item is, per data set, one sample per cell.

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
        self.datasets = datasets
        self.pipelines = pipelines
        self.passes = passes

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
        self.batches = batches
        self.passes = passes

    def __iter__(self) -> Iterator[list[Key]]:
        for number in range(self.passes):
            for batch in self.batches:
                yield [(number, index) for index in batch]

    def __len__(self) -> int:
        return len(self.batches) * self.passes


@contextmanager
def corrupted(
    streams: Sequence[Stream], passes: Sequence[Sequence[Cell]], source: Source, workers: int
) -> Iterator[DataLoader]:
    """A loader over the first stream's batches, once per pass.

    An item holds what `Stream.take` of each stream wants. The data sets get their own pipelines
    back at the end.

    Args:
        streams: over the same images.
        passes: the cells of each pass.
        source: gives the corrupted images; every one is made once for all streams.
        workers: processes that decode and corrupt.
    Raises:
        ValueError: a worker died.
    """
    datasets = [stream.loader.dataset for stream in streams]
    owners = _owners(datasets)
    before = [owner.pipeline for owner in owners]
    shared = Shared(source)
    memory = Memory()
    for owner, pipeline in zip(owners, before, strict=True):
        owner.pipeline = CellPipeline(pipeline.transforms, shared, memory)
    data = CellData(datasets, [owner.pipeline for owner in owners], passes)
    first = streams[0].loader
    try:
        yield DataLoader(
            data,
            batch_sampler=Passes(streams[0].batches, len(passes)),
            num_workers=workers,
            collate_fn=partial(_collate, inner=[stream.collate for stream in streams]),
            pin_memory=first.pin_memory,
            worker_init_fn=first.worker_init_fn,
            timeout=first.timeout,
            multiprocessing_context=_context(first, source) if workers else None,
        )
    except (RuntimeError, ConnectionError, EOFError) as error:
        death = _death(error)
        if death is None:
            raise
        reason = str(death).splitlines()[0].rstrip('. ')
        raise ValueError(
            f'one of {workers} worker processes died ({reason}); finished cells are kept, '
            'start again, with a smaller robust_eval.workers if memory was short.'
        ) from error
    finally:
        for owner, pipeline in zip(owners, before, strict=True):
            owner.pipeline = pipeline


def _death(error: Exception) -> RuntimeError | None:
    """What torch raises, wherever it is, when a worker dies; None where none died."""
    if not isinstance(error, RuntimeError):  # a dead worker's socket tells of it first
        try:
            time.sleep(0.5)
        except RuntimeError as told:
            error = told
    return error if 'DataLoader worker' in str(error) else None


def _context(loader: DataLoader, source: Source) -> Any:
    return 'spawn' if source.on_gpu else loader.multiprocessing_context


def _owners(datasets: Sequence[Any]) -> list[Any]:
    """The data sets that own a pipeline, each once."""
    owners: dict[int, Any] = {}
    for dataset in datasets:
        for leaf in leaves(dataset):
            owners[id(leaf)] = leaf
    return list(owners.values())


def _collate(
    images: Sequence[Any], inner: Sequence[Callable]
) -> list[list[Any]] | list[Unreadable]:
    """Per stream one batch per cell; where an image cannot be read, those that cannot."""
    unreadable = [image for image in images if isinstance(image, Unreadable)]
    if unreadable:
        return unreadable
    batches = []
    for collate, cells in zip(inner, zip(*images, strict=True), strict=True):
        batches.append([collate(list(samples)) for samples in zip(*cells, strict=True)])
    return batches


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
            f'{found[0].name} cannot be read ({found[0].reason}); mend the file or take it out of '
            'the data set.'
        )
    names = [f'{one.name} ({one.reason})' for one in found[:5]]
    more = f' and {len(found) - len(names)} more' if len(found) > len(names) else ''
    return ValueError(
        f'{len(found)} of {images} images cannot be read: {", ".join(names)}{more}; mend the files '
        'or take them out of the data set.'
    )
