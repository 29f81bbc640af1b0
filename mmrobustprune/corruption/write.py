"""A data set's images under the cells of a suite, as a tree of PNG files with a manifest of checksums."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import multiprocessing
import os
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PurePath
from typing import Any

import cv2
import numpy as np

from mmrobustprune import __version__
from mmrobustprune.records.contents import file_digests
from mmrobustprune.records.files import read_json, write_json

from .stored import MANIFEST, content_of, decode, some, tree_path
from .suites import ALL, Cell, Suite

PARTS = '.parts'  # files being written; a tree never holds half a file under its name
_END = b'IEND\xaeB`\x82'  # the last bytes of every PNG file
_VERSIONS = (
    'numpy',
    'scipy',
    'opencv-python',
    'opencv-python-headless',
    'pillow',
    'numba',
    'imagecorruptions',
    'imagecorruptions-imaug',
)

Image = str | os.PathLike | np.ndarray
Progress = Callable[[int, int], Any]  # images done, images


@dataclass(frozen=True)
class _Task:
    """One image under all cells."""

    image: Image
    name: str
    out: Path
    cells: tuple[Cell, ...]
    checksums: tuple[str | None, ...]  # what earlier runs wrote
    family: str
    seed: int


@dataclass(frozen=True)
class _Done:
    """Checksums by cell, or why there are none."""

    name: str
    checksums: tuple[str, ...] = ()
    refused: str = ''


def write_tree(
    images: Sequence[Image],
    out: str | os.PathLike,
    suite: Suite,
    cells: Sequence[Cell] | None = None,
    seed: int = 0,
    workers: int = 1,
    progress: Progress | None = None,
) -> dict:
    """Write every image under every cell to `<out>/<corruption>/<severity>/<name>.png`, and `<out>/manifest.json`.

    Stopped at any time and called again, it keeps the finished files and ends with the same bytes; called with further cells,
    it adds them; called when all is done, it checks the files and writes damaged ones anew. The stored pixels are those of
    `apply.apply`.

    Args:
        images: files, whose names are their paths below their common folder, or uint8 RGB arrays (H, W, 3), named by number.
        out: made where it is missing.
        suite: gives the family of functions, and by default the cells.
        cells: of the suite.
        seed: the suite's seed.
        workers: processes; each image is decoded once, by one of them, for all its cells.
        progress: called after every image.
    Returns:
        The manifest: suite, family, seed, versions, images (their names), sources (digests of the clean files) or contents
        (hashes of arrays), cells with checksums in the order of the images.
    Raises:
        ValueError: two images of one name, a folder that was written for something else, images that cannot be read or
            corrupted (all others are written).
        OSError: the disk is full, or a worker died; what is written stays.
    """
    out, cells = Path(out), tuple(suite.choose() if cells is None else cells)
    names = _names(images)
    if os.path.lexists(out) and not out.is_dir():
        raise ValueError(f"'{out}' is no folder; give another one.")
    identity = dict(
        suite=suite.name,
        family=suite.family,
        seed=int(seed),
        versions=_versions(),
        checksum='blake2b, 16 bytes',
        images=names,
    )
    if any(isinstance(image, np.ndarray) for image in images):
        identity['contents'] = [content_of(image) for image in images]
    with _said_if_full(out), _alone(out):
        manifest = _start(out, identity)
        if 'contents' not in identity:
            digests = file_digests(images)
            _drop_stale(out, manifest, [digests[os.fspath(image)] for image in images])
        known = {
            Cell(part['corruption'], part['severity']): part['checksums']
            for part in manifest['cells']
        }
        columns = zip(*(known.get(cell, [None] * len(names)) for cell in cells), strict=True)
        tasks = [
            _Task(image, name, out, cells, before, suite.family, int(seed))
            for image, name, before in zip(images, names, columns, strict=True)
        ]
        done = _run(tasks, workers, progress or (lambda *_: None))
        known.update(
            {
                cell: [done[name].checksums[place] for name in names]
                for place, cell in enumerate(cells)
            }
        )
        manifest['cells'] = [
            dict(corruption=cell.corruption, severity=cell.severity, checksums=known[cell])
            for cell in suite.choose('all')
            if cell in known
        ]
        write_json(out / MANIFEST, manifest)
    return manifest


def check_tree(out: str | os.PathLike, workers: int = 1, progress: Progress | None = None) -> int:
    """Compare every file of a tree with its checksum; the number of files.

    Raises:
        FileNotFoundError: no manifest.
        ValueError: files that are missing or changed, counted and named.
    """
    out = Path(out)
    if not (out / MANIFEST).is_file():
        raise FileNotFoundError(f'{out} has no {MANIFEST}; write the tree first.')
    manifest = read_json(out / MANIFEST)
    files = [
        (tree_path(out, Cell(part['corruption'], part['severity']), name), checksum)
        for part in manifest['cells']
        for name, checksum in zip(manifest['images'], part['checksums'], strict=True)
    ]
    bad = []
    with ThreadPoolExecutor(max(workers, 1)) as pool:  # hashing and reading leave Python's lock
        for count, (file, right) in enumerate(pool.map(_is_right, files), 1):
            if not right:
                bad.append(file.relative_to(out))
            if progress is not None:
                progress(count, len(files))
    if bad:
        raise ValueError(
            f'{len(bad)} of {len(files)} files of {out} are missing or changed ({some(bad)}); give the command '
            'that wrote them again.'
        )
    return len(files)


def _is_right(pair: tuple[Path, str]) -> tuple[Path, bool]:
    file, checksum = pair
    try:
        return file, _digest(file.read_bytes()) == checksum
    except OSError:
        return file, False


def _names(images: Sequence[Image]) -> list[str]:
    if not len(images):
        raise ValueError('there is no image to corrupt; check the data set.')
    if any(isinstance(image, np.ndarray) for image in images):
        digits = len(str(len(images) - 1))
        return [f'{place:0{digits}d}.png' for place in range(len(images))]
    paths = [os.path.abspath(image) for image in images]
    top = os.path.commonpath([os.path.dirname(path) for path in paths])
    names = [PurePath(path).relative_to(top).as_posix() for path in paths]
    stems = Counter(PurePath(name).with_suffix('') for name in names)
    twice = [name for name in names if stems[PurePath(name).with_suffix('')] > 1]
    if twice:
        raise ValueError(
            f'{len(twice)} images share their name with another one when they end in .png ({some(twice)}); rename '
            'them.'
        )
    return names


def _versions() -> dict[str, str]:
    found = {'mmrobustprune': __version__}
    for name in _VERSIONS:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """The folder for this process alone; what an earlier one left half-written is removed."""
    parts = out / PARTS
    parts.mkdir(parents=True, exist_ok=True)
    with open(parts / 'lock', 'w') as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ValueError(
                f'another process is writing to {out}; wait for it, or give another folder.'
            ) from error
        for part in parts.glob('*.png'):
            part.unlink()
        try:
            yield
        finally:
            shutil.rmtree(parts, ignore_errors=True)


def _start(out: Path, identity: dict) -> dict:
    """The manifest that is there, of the same run, or a new one without cells."""
    path = out / MANIFEST
    if not path.exists():
        there = [name for name in ALL if (out / name).exists()]
        if there:
            raise ValueError(
                f'{out} holds {some(there)} and no {MANIFEST}, so nobody knows how they were made; give another '
                'folder.'
            )
        write_json(path, manifest := {**identity, 'cells': []})
        return manifest
    manifest = read_json(path)
    if (
        'contents' in identity
    ):  # manifests of before do not have them; the checksums are compared anyway
        manifest.setdefault('contents', identity['contents'])
    other = [key for key in identity if manifest.get(key) != identity[key]]
    if other:
        raise ValueError(
            f'{out} was written with other values of {", ".join(other)}; give another folder, or remove that one.'
        )
    return manifest


def _drop_stale(out: Path, manifest: dict, sources: list[str | None]) -> None:
    """Take away what was made of clean files that have changed since, so that it is made anew."""
    new = {'sources': sources, 'cells': []}
    before = manifest.get('sources', sources if not manifest['cells'] else [None] * len(sources))
    stale = [place for place, source in enumerate(sources) if source != before[place]]
    if stale:
        # also files of cells that an earlier run did not finish
        for folder in out.glob('*/[0-9]'):
            cell = Cell(folder.parent.name, int(folder.name))
            for place in stale:
                tree_path(out, cell, manifest['images'][place]).unlink(missing_ok=True)
    for part in manifest['cells']:
        checksums = list(part['checksums'])
        for place in stale:
            checksums[place] = None
        new['cells'].append({**part, 'checksums': checksums})
    manifest.update(new)
    write_json(out / MANIFEST, manifest)


@contextmanager
def _said_if_full(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise OSError(
            f'{out} has no space left; what is written stays: make room and give the same command again.'
        ) from error


def _run(tasks: Sequence[_Task], workers: int, progress: Progress) -> dict[str, _Done]:
    done: dict[str, _Done] = {}
    try:
        for one in _results(tasks, workers):
            done[one.name] = one
            progress(len(done), len(tasks))
    except BrokenProcessPool as error:
        raise ChildProcessError(
            f'a worker process died after {len(done)} of {len(tasks)} images (killed, or out of memory); '
            'give the same command again, with fewer workers.'
        ) from error
    bad = sorted((one for one in done.values() if one.refused), key=lambda one: one.name)
    if bad:
        raise ValueError(
            f'{len(bad)} of {len(tasks)} images are left out ({some([one.name for one in bad])}), the others are '
            f'written: {bad[0].refused}'
        )
    return done


def _results(tasks: Sequence[_Task], workers: int) -> Iterable[_Done]:
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
    """A worker of a process that was killed waits for work for ever, unless it looks after that process."""
    cv2.setNumThreads(0)

    def watch() -> None:
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _write(task: _Task) -> _Done:
    """The files of one image that are not there yet; the checksums of all."""
    from .apply import apply  # numba takes seconds, which checking needs not

    image, checksums = None, []
    for cell, before in zip(task.cells, task.checksums, strict=True):
        file = tree_path(task.out, cell, task.name)
        data = file.read_bytes() if file.exists() else b''
        if not data.endswith(_END) or before not in (None, _digest(data)):
            try:
                if image is None:
                    image = task.image if isinstance(task.image, np.ndarray) else decode(task.image)
                data = encode(apply(image, cell.corruption, cell.severity, task.seed, task.family))
            except (TypeError, ValueError) as error:
                return _Done(task.name, refused=str(error))
            _put(file, data, task.out / PARTS)
        checksums.append(_digest(data))
    return _Done(task.name, tuple(checksums))


_PACKING = [
    cv2.IMWRITE_PNG_COMPRESSION,
    1,
    cv2.IMWRITE_PNG_STRATEGY,
    cv2.IMWRITE_PNG_STRATEGY_RLE,
]  # fast: noise stays large


def encode(rgb: np.ndarray) -> bytes:
    """A PNG file of a uint8 RGB image (H, W, 3)."""
    return cv2.imencode('.png', cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), _PACKING)[1].tobytes()


def _put(file: Path, data: bytes, parts: Path) -> None:
    """A file under its name, whole or not at all."""
    part = parts / f'{os.getpid()}.png'
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        part.write_bytes(data)
        os.replace(part, file)
    finally:
        part.unlink(missing_ok=True)


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()
