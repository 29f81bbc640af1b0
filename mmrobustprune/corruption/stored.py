"""Corrupted images that lie on disk: ImageNet-C's folders, CIFAR-10-C's arrays, and trees that `write` wrote."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from pathlib import Path, PurePath

import cv2
import numpy as np

from mmrobustprune.records.contents import digest, file_digests, group_digest
from mmrobustprune.records.files import read_json

from .suites import GROUPS, SEVERITIES, Cell, Suite

MANIFEST = 'manifest.json'
SIDE = 224  # pixels of ImageNet-C's images, cropped already
ROWS = 10000  # images of CIFAR-10's test set; the arrays hold them once per severity
_GROUP = {name: group for group, names in GROUPS.items() for name in names}


class StoredSet:
    """The corrupted images of a suite, by cell and place in the data set.

    Attributes:
        root: the folder.
        suite: whose cells they are.
        cropped: the images have the network's size already.
        seed: of the random numbers, where it is known.
    """

    cropped = False
    seed: int | None = None

    def __init__(self, root: Path, suite: Suite) -> None:
        self.root, self.suite = root, suite

    def read(
        self,
        cell: Cell,
        index: int,
        path: str | os.PathLike | None,
        clean: np.ndarray | None = None,
    ) -> np.ndarray:
        """An image under a cell.

        Args:
            cell: not the clean one.
            index: the image's place in the data set.
            path: of the clean image, or None for data sets of arrays.
            clean: the clean image, uint8 RGB; a tree of arrays is looked up by it.
        Returns:
            uint8 RGB, (H, W, 3).
        Raises:
            ValueError: it is not there, more than once there, no image, or of a wrong shape.
        """
        raise NotImplementedError

    def content(self, cell: Cell, paths: Sequence[str | os.PathLike] = ()) -> str:
        """A digest of the stored images of a cell, for numbers that depend on them.

        Args:
            cell: one that `check` found.
            paths: of the clean images in the data set's order.
        """
        raise NotImplementedError

    def check(
        self,
        cells: Iterable[Cell],
        paths: Sequence[str | os.PathLike] = (),
        labels: Sequence[int] | None = None,
    ) -> None:
        """Refuse a set that lacks something, before anything is evaluated.

        Args:
            cells: those wanted.
            paths: clean images in the data set's order, to look for each of them.
            labels: class numbers in the data set's order, where the set has its own.
        Raises:
            FileNotFoundError: cells or images that are not there.
            ValueError: images that are there more than once, arrays of a wrong shape, labels in another order.
        """
        cells = list(cells)
        self._refuse_missing(
            [f'{cell.corruption} {cell.severity}' for cell in cells if not self._holds(cell)],
            len(cells),
            'cells',
            self.root,
            'add them, or choose other corruptions and severities',
        )
        for cell in cells:
            self._check_images(cell, paths, labels)

    def _holds(self, cell: Cell) -> bool:
        raise NotImplementedError

    def _check_images(
        self, cell: Cell, paths: Sequence[str | os.PathLike], labels: Sequence[int] | None
    ) -> None:
        raise NotImplementedError

    @staticmethod
    def _refuse_missing(
        names: Sequence[str], count: int, what: str, where: Path, advice: str
    ) -> None:
        if names:
            raise FileNotFoundError(
                f'{len(names)} of {count} {what} are missing in {where} ({some(names)}); {advice}.'
            )


class FolderSet(StoredSet):
    """ImageNet-C as published: `<corruption>/<severity>/<class>/<file>`, also with a folder per group above; 224x224."""

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
                f'{self.root} is looked up by file name and image {index} has none; use a data set of files.'
            )
        folder = self._folder(cell)
        found = _find(_listing(folder), PurePath(path))
        if len(found) != 1:
            raise ValueError(
                f'{PurePath(path).name} is {"in several folders of" if found else "not in"} {folder}'
                f'{f" ({some(found)})" if found else ""}; unpack ImageNet-C anew.'
            )
        image = decode(folder / found[0])
        if image.shape[:2] != (SIDE, SIDE):
            raise ValueError(
                f'{folder / found[0]} has {image.shape[1]}x{image.shape[0]} pixels and ImageNet-C {SIDE}x{SIDE}; '
                'give the published set, or one of tools/make_corrupted.py.'
            )
        return image

    def content(self, cell: Cell, paths: Sequence[str | os.PathLike] = ()) -> str:
        folder = self._folder(cell)
        listing = _listing(folder)
        return group_digest(folder / _find(listing, PurePath(path))[0] for path in paths)

    def _folder(self, cell: Cell) -> Path:
        plain = self.root / cell.corruption / str(cell.severity)
        grouped = self.root / _GROUP[cell.corruption] / cell.corruption / str(cell.severity)
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
                f'{len(several)} of {len(paths)} images are in several folders of {folder} ({some(several)}); '
                'keep the clean images in class folders too, or unpack ImageNet-C anew.'
            )


class ArraySet(StoredSet):
    """CIFAR-10-C as published: `<corruption>.npy`, 50000x32x32x3, severity v in rows 10000 (v - 1) to 10000 v."""

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
                f"{self.root} goes by the order of CIFAR-10's own test set and {path} is a file; use the data set "
                'CIFAR10, or check the labels first.'
            )
        if not 0 <= index < ROWS:
            raise ValueError(
                f'{self.root} has {ROWS} images and number {index} was asked for; use the test set of CIFAR-10.'
            )
        return np.array(
            _array(self._file(cell), (self.suite.side, self.suite.side, 3))[
                ROWS * (cell.severity - 1) + index
            ]
        )

    def content(self, cell: Cell, paths: Sequence[str | os.PathLike] = ()) -> str:
        return group_digest([self._file(cell)])

    def _file(self, cell: Cell) -> Path:
        return self.root / f'{cell.corruption}.npy'

    def _holds(self, cell: Cell) -> bool:
        return self._file(cell).is_file()

    def _check_images(
        self, cell: Cell, paths: Sequence[str | os.PathLike], labels: Sequence[int] | None
    ) -> None:
        _array(self._file(cell), (self.suite.side, self.suite.side, 3))
        for what in (paths, labels):
            if what is not None and len(what) not in (0, ROWS):
                raise ValueError(
                    f'the data set has {len(what)} images and {self.root} has {ROWS}; evaluate the whole test set.'
                )
        if labels is not None:
            own = _labels(self.root / 'labels.npy')[
                ROWS * (cell.severity - 1) : ROWS * cell.severity
            ]
            other = int(np.sum(own != np.asarray(labels)))
            if other:
                raise ValueError(
                    f'{other} of {ROWS} labels differ from {self.root / "labels.npy"}; use the data set CIFAR10, '
                    'whose order the arrays have.'
                )
            self.ordered = True


class TreeSet(StoredSet):
    """What `write.write_tree` wrote: `<corruption>/<severity>/<file>.png` and a manifest."""

    def __init__(self, root: Path, suite: Suite) -> None:
        super().__init__(root, suite)
        manifest = read_json(root / MANIFEST)
        if manifest.get('suite') != suite.name:
            raise ValueError(
                f"{root} was written for suite '{manifest.get('suite')}' and '{suite.name}' is asked for; choose "
                'that suite, or write another tree.'
            )
        self.seed, self.names = manifest['seed'], manifest['images']
        self.sources = manifest.get('sources')  # digests of the clean files; arrays have contents
        self.checksums = {
            Cell(part['corruption'], part['severity']): part['checksums']
            for part in manifest['cells']
        }
        self.compared = False
        self.places = {
            PurePath(name).with_suffix('').parts: place for place, name in enumerate(self.names)
        }
        self.contents = {
            content: place for place, content in enumerate(manifest.get('contents') or ())
        }  # of arrays

    def read(
        self,
        cell: Cell,
        index: int,
        path: str | os.PathLike | None,
        clean: np.ndarray | None = None,
    ) -> np.ndarray:
        if path is not None:
            place = self._place(path)
        else:
            place = None if clean is None else self.contents.get(content_of(clean))
        if place is None:
            raise ValueError(
                f'{path or f"image {index}"} is not among the {len(self.names)} images of {self.root}; write the '
                'tree from this data set.'
            )
        file = tree_path(self.root, cell, self.names[place])
        image = decode(file)
        if digest(file.read_bytes()) != self.checksums[cell][place]:
            raise ValueError(
                f'{file} has changed since it was written; give the command of '
                'tools/make_corrupted.py again.'
            )
        return image

    def content(self, cell: Cell, paths: Sequence[str | os.PathLike] = ()) -> str:
        return digest(' '.join(map(str, self.checksums[cell])).encode())

    def _place(self, path: str | os.PathLike) -> int | None:
        """By as much of the end of the path as the manifest knows."""
        parts = PurePath(path).with_suffix('').parts
        return next(
            (
                self.places[parts[start:]]
                for start in range(len(parts))
                if parts[start:] in self.places
            ),
            None,
        )

    def _holds(self, cell: Cell) -> bool:
        return cell in self.checksums

    def _check_images(
        self, cell: Cell, paths: Sequence[str | os.PathLike], labels: Sequence[int] | None
    ) -> None:
        if not len(paths) and not self.contents:
            raise ValueError(
                f'{self.root} does not say what its clean pictures are (it was written from files, or by an earlier '
                'version); give the command of tools/make_corrupted.py again with this data set.'
            )
        self._refuse_missing(
            [PurePath(path).name for path in paths if self._place(path) is None],
            len(paths),
            'images',
            self.root,
            'write the tree from this data set',
        )
        self._refuse_stale(paths)
        files = [tree_path(self.root, cell, name) for name in self.names]
        self._refuse_missing(
            [file.name for file in files if not file.is_file()],
            len(files),
            'files',
            files[0].parent,
            'give the command of tools/make_corrupted.py again',
        )

    def _refuse_stale(self, paths: Sequence[str | os.PathLike]) -> None:
        """Refuse a tree that was written from other clean images than those of the data set now."""
        if self.compared or not len(paths):
            return
        known = self.sources or [None] * len(self.names)
        now = file_digests(paths)
        stale = [path for path in paths if now[os.fspath(path)] != known[self._place(path)]]
        if stale:
            raise ValueError(
                f'{len(stale)} of {len(paths)} clean images have changed since {self.root} was '
                f'written from them ({some([PurePath(path).name for path in stale])}); give the '
                'command of tools/make_corrupted.py again.'
            )
        self.compared = True


_PUBLISHED = {'folders': FolderSet, 'arrays': ArraySet}


def open_stored(root: str | os.PathLike, suite: Suite) -> StoredSet:
    """The stored set in a folder: a tree with a manifest, or the suite's published layout.

    Raises:
        FileNotFoundError: no such folder, or nothing of the suite in it.
        ValueError: a tree of another suite.
    """
    root = Path(root)
    if not root.is_dir():
        raise FileNotFoundError(
            f"stored set '{root}' is no folder; give the one that holds {suite.name}."
        )
    if (root / MANIFEST).is_file():
        return TreeSet(root, suite)
    if suite.published is None:
        raise FileNotFoundError(
            f"{root} has no {MANIFEST}; write a stored set of '{suite.name}' with tools/make_corrupted.py."
        )
    return _PUBLISHED[suite.published](root, suite)


def tree_path(root: Path, cell: Cell, name: str) -> Path:
    """Where a tree keeps the image `name` under a cell."""
    return root / cell.corruption / str(cell.severity) / PurePath(name).with_suffix('.png')


def content_of(image: np.ndarray) -> str:
    """Short hash of an image's shape and pixels."""
    return hashlib.blake2b(
        f'{image.shape}'.encode() + np.ascontiguousarray(image).tobytes(), digest_size=16
    ).hexdigest()


def decode(path: str | os.PathLike) -> np.ndarray:
    """An image file as uint8 RGB (H, W, 3), decoded as mmcv does by default.

    Raises:
        ValueError: it is not there or no image.
    """
    try:
        data = np.fromfile(path, np.uint8)
    except OSError as error:
        raise ValueError(
            f'{path} cannot be read ({error.strerror}); mend the file or take it out of the data set.'
        ) from error
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if image is None:
        raise ValueError(f'{path} is no image; mend the file or take it out of the data set.')
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def some(names: Sequence[object], most: int = 3) -> str:
    """The first few names, and how many more there are."""
    more = f' and {len(names) - most} more' if len(names) > most else ''
    return ', '.join(map(str, names[:most])) + more


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
    """Files with the stem of `path`: in its class folder, or, where the clean images have none, anywhere."""
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
            f'{path} is missing, without which the order of the images is not known; unpack CIFAR-10-C anew.'
        )
    return _mapped(path, (len(SEVERITIES) * ROWS,))


def _mapped(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    try:
        array = np.load(path, mmap_mode='r', allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise ValueError(f'{path} is cut short or no array; unpack CIFAR-10-C anew.') from error
    if array.shape != shape or array.dtype != np.uint8:
        raise ValueError(
            f'{path} holds {array.dtype} of shape {array.shape} and CIFAR-10-C uint8 of shape {shape}; unpack it '
            'anew.'
        )
    return array
