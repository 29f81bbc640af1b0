"""A data set's images under the cells of a suite, as a tree of PNG files with checksums."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path, PurePath

import numpy as np

from mmrobustprune.records.contents import digest, file_digests
from mmrobustprune.records.files import read_json, write_json
from mmrobustprune.records.stamp import imaging_versions

from .images import content_of, some
from .stored import MANIFEST
from .suites import Cell, Suite
from .workers import PARTS, Image, Progress, Task, run_tasks, tree_path


def write_tree(
    images: Sequence[Image],
    out: str | os.PathLike,
    suite: Suite,
    cells: Sequence[Cell] | None = None,
    seed: int = 0,
    workers: int = 1,
    progress: Progress | None = None,
) -> dict:
    """Write every image under every cell to `<out>/<corruption>/<severity>/<name>.png`.

    Beside them stands `<out>/manifest.json`. Stopped at any time and called again, it keeps the
    finished files and ends with the same bytes; called with further cells, it adds them; called
    when all is done, it checks the files and writes damaged ones anew. The stored pixels are those
    of `apply.apply`.

    Args:
        images: files, whose names are their paths below their common folder, or uint8 RGB arrays
            (H, W, 3), named by number.
        out: made where it is missing.
        suite: gives the family of functions, and by default the cells.
        cells: of the suite.
        seed: the suite's seed.
        workers: processes; each image is decoded once, by one of them, for all its cells.
        progress: called after every image.
    Returns:
        The manifest: suite, family, seed, versions, images (their names), sources (digests of the
        clean files) or contents (hashes of arrays), cells with checksums in the order of the
        images.
    Raises:
        ValueError: a suite of tensors, two images of one name, a folder that was written for
            something else, images that cannot be read or corrupted (all others are written).
        OSError: the disk is full, or a worker died; what is written stays.
    """
    if suite.tensors:
        raise ValueError(
            f"suite '{suite.name}' is computed on the model's device while it is evaluated and "
            "cannot be stored; write 'voc-c', 'coco-c' or 'imagenet-c-uncropped'."
        )
    out = Path(out)
    cells = tuple(suite.choose() if cells is None else cells)
    names = _names(images)
    if os.path.lexists(out) and not out.is_dir():
        raise ValueError(f"'{out}' is no folder; give another one.")
    identity = dict(
        suite=suite.name,
        family=suite.family,
        seed=int(seed),
        versions=imaging_versions(),
        checksum='blake2b, 16 bytes',
        images=names,
    )
    if any(isinstance(image, np.ndarray) for image in images):
        identity['contents'] = [content_of(image) for image in images]
    with _naming_a_full_disk(out), _locked(out):
        manifest = _start(out, identity, suite)
        if 'contents' not in identity:
            digests = file_digests(images)
            _drop_stale(out, manifest, [digests[os.fspath(image)] for image in images])
        known = {_cell(part): part['checksums'] for part in manifest['cells']}
        columns = zip(*(known.get(cell, [None] * len(names)) for cell in cells), strict=True)
        tasks = [
            Task(image, name, out, cells, before, suite.family, int(seed))
            for image, name, before in zip(images, names, columns, strict=True)
        ]
        done = run_tasks(tasks, workers, progress or (lambda *_: None))
        for place, cell in enumerate(cells):
            known[cell] = [done[name].checksums[place] for name in names]
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
    files: list[tuple[Path, str]] = []
    for part in manifest['cells']:
        paths = [tree_path(out, _cell(part), name) for name in manifest['images']]
        files += zip(paths, part['checksums'], strict=True)
    bad = []
    with ThreadPoolExecutor(max(workers, 1)) as pool:  # hashing and reading leave Python's lock
        for count, (file, right) in enumerate(pool.map(_is_right, files), 1):
            if not right:
                bad.append(file.relative_to(out))
            if progress is not None:
                progress(count, len(files))
    if bad:
        raise ValueError(
            f'{len(bad)} of {len(files)} files of {out} are missing or changed ({some(bad)}); give '
            'the command that wrote them again.'
        )
    return len(files)


def _is_right(pair: tuple[Path, str]) -> tuple[Path, bool]:
    file, wanted = pair
    try:
        return file, digest(file.read_bytes()) == wanted
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
            f'{len(twice)} images share their name with another one when they end in .png '
            f'({some(twice)}); rename them.'
        )
    return names


@contextmanager
def _locked(out: Path) -> Iterator[None]:
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
        for part in parts.glob('.*.part'):
            part.unlink()
        try:
            yield
        finally:
            shutil.rmtree(parts, ignore_errors=True)


def _start(out: Path, identity: dict, suite: Suite) -> dict:
    """The manifest that is there, of the same run, or a new one without cells."""
    path = out / MANIFEST
    if not path.exists():
        there = [name for name in suite.all if (out / name).exists()]
        if there:
            raise ValueError(
                f'{out} holds {some(there)} and no {MANIFEST}, so nobody knows how they were made; '
                'give another folder.'
            )
        manifest = {**identity, 'cells': []}
        write_json(path, manifest)
        return manifest
    manifest = read_json(path)
    other = [key for key in identity if manifest.get(key) != identity[key]]
    if other:
        raise ValueError(
            f'{out} was written with other values of {", ".join(other)}; give another folder, or '
            'remove that one.'
        )
    return manifest


def _drop_stale(out: Path, manifest: dict, sources: list[str | None]) -> None:
    """Remove what was made of clean files that have changed since, so that it is made anew."""
    before = manifest.get('sources', sources if not manifest['cells'] else [None] * len(sources))
    stale = [place for place, source in enumerate(sources) if source != before[place]]
    if stale:
        # also files of cells that an earlier run did not finish
        for folder in out.glob('*/[0-9]'):
            cell = Cell(folder.parent.name, int(folder.name))
            for place in stale:
                tree_path(out, cell, manifest['images'][place]).unlink(missing_ok=True)
    cells = []
    for part in manifest['cells']:
        checksums = list(part['checksums'])
        for place in stale:
            checksums[place] = None
        cells.append({**part, 'checksums': checksums})
    manifest.update(sources=sources, cells=cells)
    write_json(out / MANIFEST, manifest)


def _cell(part: dict) -> Cell:
    """The cell that a part of the manifest is about."""
    return Cell(part['corruption'], part['severity'])


@contextmanager
def _naming_a_full_disk(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise OSError(
            f'{out} has no space left; what is written stays: make room and give the same command '
            'again.'
        ) from error
