"""Images corrupted and written by several processes."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import cv2
import numpy as np

from mmrobustprune.records.contents import digest
from mmrobustprune.records.files import replacing

from .images import PNG_END, decode, encode, some
from .suites import Cell

PARTS = '.parts'  # files being written; a tree never holds half a file under its name

Image = str | os.PathLike | np.ndarray
Progress = Callable[[int, int], Any]  # images done, images


@dataclass(frozen=True)
class Task:
    """One image under all cells.

    Attributes:
        image: a file, or uint8 RGB (H, W, 3).
        name: the file's name in the tree.
        out: the tree.
        cells: to be written.
        checksums: of each cell, what earlier runs wrote, or None.
        family: whose functions.
        seed: the suite's seed.
    """

    image: Image
    name: str
    out: Path
    cells: tuple[Cell, ...]
    checksums: tuple[str | None, ...]
    family: str
    seed: int


@dataclass(frozen=True)
class Done:
    """Checksums by cell, or why there are none."""

    name: str
    checksums: tuple[str, ...] = ()
    refused: str = ''


def tree_path(root: Path, cell: Cell, name: str) -> Path:
    """Where a tree keeps the image `name` under a cell."""
    return root / cell.corruption / str(cell.severity) / PurePath(name).with_suffix('.png')


def run_tasks(tasks: Sequence[Task], workers: int, progress: Progress) -> dict[str, Done]:
    """Write what is not there yet; the name of every image with its checksums.

    Raises:
        ChildProcessError: a worker died.
        ValueError: images that could not be read or corrupted; all others are written.
    """
    done: dict[str, Done] = {}
    try:
        for one in _results(tasks, workers):
            done[one.name] = one
            progress(len(done), len(tasks))
    except BrokenProcessPool as error:
        raise ChildProcessError(
            f'a worker process died after {len(done)} of {len(tasks)} images (killed, or out of '
            'memory); give the same command again, with fewer workers.'
        ) from error
    bad = sorted((one for one in done.values() if one.refused), key=lambda one: one.name)
    if bad:
        raise ValueError(
            f'{len(bad)} of {len(tasks)} images are left out ({some([one.name for one in bad])}), '
            f'the others are written: {bad[0].refused}'
        )
    return done


def _results(tasks: Sequence[Task], workers: int) -> Iterable[Done]:
    if workers <= 1:
        yield from map(_write, tasks)
        return
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context('spawn'), _end_with_parent)
    try:
        for future in as_completed([pool.submit(_write, task) for task in tasks]):
            yield future.result()
    finally:  # also after an error: what was not begun is dropped
        pool.shutdown(cancel_futures=True)


def _end_with_parent() -> None:
    """End a worker with its parent, for whose work it would wait for ever."""
    cv2.setNumThreads(0)

    def watch() -> None:
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _write(task: Task) -> Done:
    """The files of one image that are not there yet; the checksums of all."""
    from .apply import apply  # numba takes seconds, which checking needs not

    image = None
    checksums = []
    for cell, before in zip(task.cells, task.checksums, strict=True):
        file = tree_path(task.out, cell, task.name)
        data = file.read_bytes() if file.exists() else b''
        if not data.endswith(PNG_END) or before not in (None, digest(data)):
            try:
                if image is None:
                    image = task.image if isinstance(task.image, np.ndarray) else decode(task.image)
                data = encode(apply(image, cell.corruption, cell.severity, task.seed, task.family))
            except (TypeError, ValueError) as error:
                return Done(task.name, refused=str(error))
            with replacing(file, task.out / PARTS) as part:
                part.write_bytes(data)
        checksums.append(digest(data))
    return Done(task.name, tuple(checksums))
