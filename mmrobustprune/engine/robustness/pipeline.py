"""A test pipeline that corrupts: an image is decoded once and comes out under every cell."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np
import torch

from mmrobustprune.corruption import Cell, Suite
from mmrobustprune.corruption.published import SIDE
from mmrobustprune.corruption.stored_set import StoredSet
from mmrobustprune.corruption.suites import CLEAN

# what brings an image to the size that a cropped stored set has already
RESIZES = ('Resize', 'ResizeEdge')


class Source(Protocol):
    """Where corrupted images come from: computed, or stored.

    Attributes:
        cropped: they have the network's size already.
        seed: of their random numbers; None where nobody knows it.
        on_gpu: they are made there, which a forked process cannot do.
    """

    cropped: bool
    seed: int | None
    on_gpu: bool

    def __call__(self, image: np.ndarray, cell: Cell, index: int, path: str | None) -> np.ndarray:
        """The uint8 RGB image (H, W, 3), or grey (H, W), under a cell."""

    def content(self, cell: Cell) -> str | None:
        """A digest of the stored images of a cell; None where they are computed."""


class Computed:
    """Corruptions computed from the clean image.

    Args:
        seed: the suite's seed.
        suite: whose functions, see `corruption.apply.apply`.
        device: where a suite of tensors is computed.
    """

    def __init__(self, seed: int, suite: Suite, device: torch.device | str = 'cpu') -> None:
        from mmrobustprune.corruption.apply import apply  # numba and skimage take seconds

        self.apply = apply
        self.seed = seed
        self.family = suite.family
        self.cropped = suite.cropped
        self.on_gpu = suite.tensors and torch.device(device).type == 'cuda'
        if suite.tensors:
            from mmrobustprune.corruption.tensor.family import family_on

            self.family = family_on(device)

    def __call__(self, image: np.ndarray, cell: Cell, index: int, path: str | None) -> np.ndarray:
        return self.apply(image, cell.corruption, cell.severity, self.seed, self.family)

    def content(self, cell: Cell) -> None:
        return None


class Stored:
    """Corrupted images read from a stored set.

    Args:
        images: of `corruption.stored.open_stored`.
        paths: of the clean images in the data set's order.
    """

    def __init__(self, images: StoredSet, paths: Sequence[str] = ()) -> None:
        self.images = images
        self.paths = paths
        self.cropped = images.cropped
        self.seed = images.seed
        self.on_gpu = False

    def __call__(self, image: np.ndarray, cell: Cell, index: int, path: str | None) -> np.ndarray:
        return self.images.read(cell, index, path, image)

    def content(self, cell: Cell) -> str:
        return self.images.content(cell, self.paths)


class Shared:
    """The same corrupted image for every model: what `source` gave for the last image is kept."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.cropped = source.cropped
        self.seed = source.seed
        self.on_gpu = source.on_gpu
        self.image: np.ndarray | None = None
        self.kept: dict[tuple, np.ndarray] = {}

    def __call__(self, image: np.ndarray, cell: Cell, index: int, path: str | None) -> np.ndarray:
        if image is not self.image and not np.array_equal(image, self.image):
            self.image = image
            self.kept = {}
        key = cell, index, path
        if key not in self.kept:
            self.kept[key] = self.source(image, cell, index, path)
        return self.kept[key]

    def content(self, cell: Cell) -> str | None:
        return self.source.content(cell)


class Memory:
    """What loading transforms gave, so that no image is decoded for every cell.

    Args:
        limit: bytes of images that are kept, the most recent ones.
    """

    def __init__(self, limit: int = 256 * 2**20) -> None:
        self.limit = limit
        self.size = 0
        self.kept: OrderedDict[tuple[str, str], dict] = OrderedDict()

    def load(self, transform: Callable, data: dict) -> dict | None:
        """`transform(data)`, remembered by the image's path where it gives an image."""
        path = data.get('img_path')
        if path is None:
            return transform(data)
        key = str(path), repr(transform)
        if key in self.kept:
            self.kept.move_to_end(key)
            return {**data, **self.kept[key]}
        before = dict(data)
        data = transform(data)
        if data is not None and isinstance(data.get('img'), np.ndarray):
            new = {}
            for name, value in data.items():
                if name not in before or value is not before[name]:
                    new[name] = value
            self.kept[key] = new
            self.size += new['img'].nbytes
            while self.size > self.limit:
                _, oldest = self.kept.popitem(last=False)
                self.size -= oldest['img'].nbytes
        return data


@dataclass(frozen=True)
class Unreadable:
    """In the place of the samples of an image that cannot be read: its name and why."""

    name: str
    reason: str


class CellPipeline:
    """A pipeline that returns one packed sample per cell.

    The image is corrupted as soon as `results['img']` holds it, before any resize: after the
    loading transform, whose images are BGR as mmcv makes them, or at once for data sets of RGB
    arrays (CIFAR).

    Args:
        transforms: those of the data set's own pipeline.
        source: gives the corrupted image.
        memory: of decoded images.
    Attributes:
        cells: what to return, in this order; `CLEAN` leaves the image as it is.
    """

    def __init__(
        self, transforms: Sequence[Callable], source: Source, memory: Memory | None = None
    ) -> None:
        self.transforms = list(transforms)
        self.source = source
        self.memory = memory or Memory()
        self.cells: Sequence[Cell] = (CLEAN,)

    def __call__(self, data: dict) -> list[Any] | Unreadable:
        """One sample per cell; `Unreadable` for a file that is no image."""
        try:
            data, rest, bgr = load(data, self.transforms, self.memory)
        except UnreadableError as error:
            return error.image
        image = data.pop('img')
        levels = None
        if any(cell != CLEAN for cell in self.cells):
            levels = _levels(image, bgr, name_of(data))  # once, for all cells
        return [self._finish(data, image, levels, bgr, cell, rest) for cell in self.cells]

    def _finish(
        self,
        data: dict,
        image: np.ndarray,
        levels: np.ndarray | None,
        bgr: bool,
        cell: Cell,
        rest: Sequence[Callable],
    ) -> Any:
        sample = copy.deepcopy(data)
        try:
            if cell == CLEAN:
                sample['img'] = image.copy()
            else:
                out = self._corrupt(data, levels, cell)
                sample['img'] = _turned(out, bgr).astype(image.dtype, copy=False)
        except (TypeError, ValueError) as error:
            raise ValueError(f'{name_of(data)}: {error}') from error
        if cell != CLEAN and self.source.cropped:
            rest = _without_resize(rest)
            sample['img_shape'] = sample['img'].shape[:2]
            sample['ori_shape'] = sample['img_shape']
        for transform in rest:
            sample = transform(sample)
            if sample is None:
                raise ValueError(
                    f'{name_of(data)}: {type(transform).__name__} of the test pipeline drops it; '
                    'an evaluation must keep every image.'
                )
        return sample

    def _corrupt(self, data: dict, levels: np.ndarray, cell: Cell) -> np.ndarray:
        return self.source(levels, cell, data.get('sample_idx', 0), data.get('img_path'))


def _levels(image: np.ndarray, bgr: bool, name: str) -> np.ndarray:
    """The image as uint8, in RGB where it has three channels."""
    raw = image.astype(np.uint8, copy=False)
    if raw is not image and not np.array_equal(raw, image):  # to_float32=True has the same values
        raise ValueError(
            f'{name}: corruptions need the values 0 to 255 and got other ones in {image.dtype}; '
            'load 8-bit images.'
        )
    return _turned(raw, bgr)


def _turned(image: np.ndarray, bgr: bool) -> np.ndarray:
    """A copy, which transforms may write into; three channels the other way round where `bgr`."""
    if bgr and image.ndim == 3 and image.shape[2] == 3:
        return cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_BGR2RGB)
    return np.array(image, order='C')


def _without_resize(rest: Sequence[Callable]) -> list[Callable]:
    """The transforms for corrupted images that have the network's size."""
    names = [type(transform).__name__ for transform in rest]
    if 'CenterCrop' not in names:
        raise ValueError(
            f'the corrupted images have {SIDE}x{SIDE} pixels already, and the test pipeline '
            f'({", ".join(names)}) has no CenterCrop; use the pipeline that they are made for, or '
            "suite 'imagenet-c-uncropped', which corrupts whole images."
        )
    crop = tuple(rest[names.index('CenterCrop')].crop_size)
    if crop != (SIDE, SIDE):
        raise ValueError(
            f'the corrupted images have {SIDE}x{SIDE} pixels and the test pipeline crops to '
            f'{crop[1]}x{crop[0]}; evaluate with a CenterCrop of {SIDE}, or under suite '
            "'imagenet-c-uncropped', which corrupts whole images."
        )
    return [transform for transform, name in zip(rest, names, strict=True) if name not in RESIZES]


class UnreadableError(ValueError):
    """A file that is no image."""

    def __init__(self, image: Unreadable) -> None:
        super().__init__(
            f'{image.name} cannot be read ({image.reason}); mend the file or take it out of the '
            'data set.'
        )
        self.image = image


def load(
    data: dict, transforms: Sequence[Callable], memory: Memory | None = None
) -> tuple[dict, Sequence[Callable], bool]:
    """Run a pipeline until the image is there.

    Returns:
        The results with `img`, the transforms still to run, and whether `img` is BGR.
    Raises:
        UnreadableError: the image cannot be read.
        ValueError: no transform gives one.
    """
    if isinstance(data.get('img'), np.ndarray):
        return data, transforms, False
    name = name_of(data)
    memory = memory or Memory(0)
    for done, transform in enumerate(transforms, 1):
        try:
            data = memory.load(transform, data)
        except Exception as error:
            reason = ' '.join(str(error).split()) or type(error).__name__
            raise UnreadableError(Unreadable(name, reason)) from error
        if data is None:
            raise ValueError(
                f'{name} is dropped by {type(transform).__name__}; an evaluation must keep every '
                'image.'
            )
        if isinstance(data.get('img'), np.ndarray):
            return data, transforms[done:], True
    raise ValueError(
        f"the test pipeline gives {name} no 'img' array to corrupt; let it begin with "
        'LoadImageFromFile.'
    )


def name_of(data: dict) -> str:
    """The image's path, or its place in the data set."""
    return str(data.get('img_path') or f'image {data.get("sample_idx", "?")}')


def leaves(dataset: Any) -> list[Any]:
    """The data sets inside any wrapping that own a pipeline, each once.

    Raises:
        ValueError: a wrapper with a pipeline of its own (it mixes images), or nothing that has one.
    """
    inner = list(getattr(dataset, 'datasets', None) or [])
    if hasattr(dataset, 'dataset'):
        if hasattr(dataset, 'pipeline'):
            raise ValueError(
                f'{type(dataset).__name__} mixes images after loading, so none can be corrupted '
                'alone; evaluate the data set inside it.'
            )
        inner.append(dataset.dataset)
    if inner:
        found: dict[int, Any] = {}
        for one in inner:
            for leaf in leaves(one):
                found[id(leaf)] = leaf
        return list(found.values())
    if not hasattr(getattr(dataset, 'pipeline', None), 'transforms'):
        raise ValueError(
            f'{type(dataset).__name__} has no pipeline of transforms to corrupt in; use a data set '
            'of mmdet or mmpretrain.'
        )
    return [dataset]
