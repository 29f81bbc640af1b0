"""Corrupted images that lie on disk: published sets, and trees that `write` wrote."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path, PurePath

import numpy as np

from mmrobustprune.records.files import read_json

from .images import content_of, decode
from .published import ArraySet, FolderSet
from .stored_set import StoredSet
from .suites import Cell, Suite
from .workers import tree_path

MANIFEST = 'manifest.json'


class TreeSet(StoredSet):
    """What `write.write_tree` wrote: `<corruption>/<severity>/<file>.png` and a manifest."""

    def __init__(self, root: Path, suite: Suite) -> None:
        super().__init__(root, suite)
        manifest = read_json(root / MANIFEST)
        if manifest.get('suite') != suite.name:
            raise ValueError(
                f"{root} was written for suite '{manifest.get('suite')}' and '{suite.name}' is "
                'asked for; choose that suite, or write another tree.'
            )
        self.seed = manifest['seed']
        self.names = manifest['images']
        self.cells = {Cell(part['corruption'], part['severity']) for part in manifest['cells']}
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
        return decode(tree_path(self.root, cell, self.names[place]))

    def _place(self, path: str | os.PathLike) -> int | None:
        """By as much of the end of the path as the manifest knows."""
        parts = PurePath(path).with_suffix('').parts
        for start in range(len(parts)):
            if parts[start:] in self.places:
                return self.places[parts[start:]]
        return None

    def _holds(self, cell: Cell) -> bool:
        return cell in self.cells

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
        files = [tree_path(self.root, cell, name) for name in self.names]
        self._refuse_missing(
            [file.name for file in files if not file.is_file()],
            len(files),
            'files',
            files[0].parent,
            'give the command of tools/make_corrupted.py again',
        )


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
