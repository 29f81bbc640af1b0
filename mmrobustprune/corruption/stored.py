"""Corrupted images that lie on disk: published sets, and trees that `write` wrote."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path, PurePath

import numpy as np

from mmrobustprune.records.contents import digest, file_digests
from mmrobustprune.records.files import read_json

from .images import content_of, decode, some
from .published import ArraySet, FolderSet
from .stored_set import StoredSet
from .suites import Cell, Suite, name_of
from .workers import tree_path

MANIFEST = 'manifest.json'


class TreeSet(StoredSet):
    """What `write.write_tree` wrote: `<corruption>/<severity>/<file>.png` and a manifest."""

    def __init__(self, root: Path, suite: Suite) -> None:
        super().__init__(root, suite)
        manifest = read_json(root / MANIFEST)
        if name_of(manifest) != suite.name:
            raise ValueError(
                f"{root} was written for suite '{name_of(manifest)}' and '{suite.name}' is "
                'asked for; choose that suite, or write another tree.'
            )
        self.cropped = suite.cropped
        self.seed = manifest['seed']
        self.names = manifest['images']
        self.sources = manifest.get('sources')  # digests of the clean files; arrays have contents
        self.checksums = {
            Cell(part['corruption'], part['severity']): part['checksums']
            for part in manifest['cells']
        }
        self.compared = False  # with the clean files of the data set
        self.places = {
            PurePath(name).with_suffix('').parts: place for place, name in enumerate(self.names)
        }
        contents = manifest.get('contents') or ()  # of arrays
        self.contents = {content: place for place, content in enumerate(contents)}

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
                f'{path or f"image {index}"} is not among the {len(self.names)} images of '
                f'{self.root}; write the tree from this data set.'
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
        for start in range(len(parts)):
            if parts[start:] in self.places:
                return self.places[parts[start:]]
        return None

    def _holds(self, cell: Cell) -> bool:
        return cell in self.checksums

    def _check_images(
        self, cell: Cell, paths: Sequence[str | os.PathLike], labels: Sequence[int] | None
    ) -> None:
        if not len(paths) and not self.contents:
            raise ValueError(
                f'{self.root} does not say what its clean images are (it was written from files); '
                'give the command of tools/make_corrupted.py again with this data set.'
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
        now = file_digests(files)  # numbers of an earlier evaluation are of these images, too
        checksums = zip(files, self.checksums[cell], strict=True)
        changed = [file.name for file, right in checksums if now[os.fspath(file)] != right]
        if changed:
            raise ValueError(
                f'{len(changed)} of {len(files)} images in {files[0].parent} have changed since '
                f'they were written ({some(changed)}); give the command of tools/make_corrupted.py '
                'again.'
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
            f"{root} has no {MANIFEST}; write a stored set of '{suite.name}' with "
            'tools/make_corrupted.py.'
        )
    return _PUBLISHED[suite.published](root, suite)
