"""What every stored set of corrupted images can do."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from .images import some
from .suites import Cell, Suite


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
        self.root = root
        self.suite = suite

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
            ValueError: images that are there more than once, arrays of a wrong shape, labels in
                another order.
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
