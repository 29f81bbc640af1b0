"""Published sets of corrupted images: ImageNet-C's folders and CIFAR-10-C's arrays."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache, lru_cache
from pathlib import Path, PurePath

import numpy as np

from mmrobustprune.records.contents import group_digest

from .images import decode, some
from .stored_set import StoredSet
from .suites import SEVERITIES, Cell, Suite

SIDE = 224  # pixels of ImageNet-C's images, cropped already
ROWS = 10000  # images of CIFAR-10's test set; the arrays hold them once per severity


class FolderSet(StoredSet):
    """ImageNet-C as published: `<corruption>/<severity>/<class>/<file>`, 224x224.

    A folder per group may lie above.
    """

    cropped = True

    def read(
        self,
        cell: Cell,
        index: int,
        path: str | os.PathLike | None,
        clean: np.ndarray | None = None,
    ) -> np.ndarray:
        if path is None:
            raise ValueError(
                f'{self.root} is looked up by file name and image {index} has none; use a data set '
                'of files.'
            )
        folder = self._folder(cell)
        found = _find(_listing(folder), PurePath(path))
        name = PurePath(path).name
        if not found:
            raise ValueError(f'{name} is not in {folder}; unpack ImageNet-C anew.')
        if len(found) > 1:
            raise ValueError(
                f'{name} is in several folders of {folder} ({some(found)}); unpack ImageNet-C anew.'
            )
        image = decode(folder / found[0])
        if image.shape[:2] != (SIDE, SIDE):
            raise ValueError(
                f'{folder / found[0]} has {image.shape[1]}x{image.shape[0]} pixels and ImageNet-C '
                f'{SIDE}x{SIDE}; give the published set, or one of tools/make_corrupted.py.'
            )
        return image

    def content(self, cell: Cell, paths: Sequence[str | os.PathLike] = ()) -> str:
        folder = self._folder(cell)
        listing = _listing(folder)
        return group_digest(folder / _find(listing, PurePath(path))[0] for path in paths)

    def _folder(self, cell: Cell) -> Path:
        below = Path(cell.corruption, str(cell.severity))
        plain = self.root / below
        grouped = self.root / self.suite.group_of(cell.corruption) / below
        return grouped if grouped.is_dir() and not plain.is_dir() else plain

    def _holds(self, cell: Cell) -> bool:
        return self._folder(cell).is_dir()

    def _check_images(
        self, cell: Cell, paths: Sequence[str | os.PathLike], labels: Sequence[int] | None
    ) -> None:
        folder = self._folder(cell)
        found = {str(path): _find(_listing(folder), PurePath(path)) for path in paths}
        self._refuse_missing(
            [PurePath(path).name for path, files in found.items() if not files],
            len(paths),
            'images',
            folder,
            'unpack ImageNet-C anew',
        )
        several = [PurePath(path).name for path, files in found.items() if len(files) > 1]
        if several:
            raise ValueError(
                f'{len(several)} of {len(paths)} images are in several folders of {folder} '
                f'({some(several)}); keep the clean images in class folders too, or unpack '
                'ImageNet-C anew.'
            )


class ArraySet(StoredSet):
    """CIFAR-10-C as published: `<corruption>.npy`, 50000x32x32x3.

    Severity v is in rows 10000 (v - 1) to 10000 v.
    """

    def __init__(self, root: Path, suite: Suite) -> None:
        super().__init__(root, suite)
        self.ordered = False  # the labels were compared

    def read(
        self,
        cell: Cell,
        index: int,
        path: str | os.PathLike | None,
        clean: np.ndarray | None = None,
    ) -> np.ndarray:
        if path is not None and not self.ordered:
            raise ValueError(
                f"{self.root} goes by the order of CIFAR-10's own test set and {path} is a file; "
                'use the data set CIFAR10, or check the labels first.'
            )
        if not 0 <= index < ROWS:
            raise ValueError(
                f'{self.root} has {ROWS} images and number {index} was asked for; use the test set '
                'of CIFAR-10.'
            )
        return np.array(self._images(cell)[ROWS * (cell.severity - 1) + index])

    def content(self, cell: Cell, paths: Sequence[str | os.PathLike] = ()) -> str:
        return group_digest([self._file(cell)])

    def _images(self, cell: Cell) -> np.ndarray:
        return _array(self._file(cell), (self.suite.side, self.suite.side, 3))

    def _file(self, cell: Cell) -> Path:
        return self.root / f'{cell.corruption}.npy'

    def _holds(self, cell: Cell) -> bool:
        return self._file(cell).is_file()

    def _check_images(
        self, cell: Cell, paths: Sequence[str | os.PathLike], labels: Sequence[int] | None
    ) -> None:
        self._images(cell)
        for what in (paths, labels):
            if what is not None and len(what) not in (0, ROWS):
                raise ValueError(
                    f'the data set has {len(what)} images and {self.root} has {ROWS}; evaluate the '
                    'whole test set.'
                )
        if labels is not None:
            file = self.root / 'labels.npy'
            own = _labels(file)[ROWS * (cell.severity - 1) : ROWS * cell.severity]
            other = int(np.sum(own != np.asarray(labels)))
            if other:
                raise ValueError(
                    f'{other} of {ROWS} labels differ from {file}; use the data set CIFAR10, whose '
                    'order the arrays have.'
                )
            self.ordered = True


@lru_cache(maxsize=8)  # the severities of one corruption
def _listing(folder: Path) -> dict[str, tuple[str, ...]]:
    """Stem -> files under the class folders, and class folder + '/' -> ()."""
    listing: dict[str, tuple[str, ...]] = {}
    for group in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if group.is_dir():
            listing[f'{group.name}/'] = ()
            for file in sorted(os.listdir(group)):
                stem = PurePath(file).stem
                listing[stem] = (*listing.get(stem, ()), f'{group.name}/{file}')
    return listing


def _find(listing: dict[str, tuple[str, ...]], path: PurePath) -> list[str]:
    """Files with the stem of `path`: in its class folder, or anywhere where there are none."""
    files = listing.get(path.stem, ())
    if f'{path.parent.name}/' in listing:
        return [file for file in files if PurePath(file).parent.name == path.parent.name]
    return list(files)


@cache  # mapped, not read; each process maps its own
def _array(path: Path, image: tuple[int, int, int]) -> np.ndarray:
    return _mapped(path, (len(SEVERITIES) * ROWS, *image))


@lru_cache(maxsize=1)
def _labels(path: Path) -> np.ndarray:
    if not path.is_file():
        raise FileNotFoundError(
            f'{path} is missing, without which the order of the images is not known; unpack '
            'CIFAR-10-C anew.'
        )
    return _mapped(path, (len(SEVERITIES) * ROWS,))


def _mapped(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    try:
        array = np.load(path, mmap_mode='r', allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise ValueError(f'{path} is cut short or no array; unpack CIFAR-10-C anew.') from error
    if array.shape != shape or array.dtype != np.uint8:
        raise ValueError(
            f'{path} holds {array.dtype} of shape {array.shape} and CIFAR-10-C uint8 of shape '
            f'{shape}; unpack it anew.'
        )
    return array
