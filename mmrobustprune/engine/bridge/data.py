"""What a data set is, for comparisons of numbers made on it: names, bytes and annotations."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.fileio import get as read_remote
from PIL import Image, UnidentifiedImageError

from mmrobustprune.records.contents import digest, facts, file_digests


def info_of(dataset: Any, index: int) -> dict[str, Any]:
    """What a data set says of one image before its pipeline runs.

    Args:
        dataset: of mmengine, or one that keeps a `data_list` alone, as `MultiTaskDataset` does.
    Raises:
        ValueError: it says nothing.
    """
    if hasattr(dataset, 'get_data_info'):
        return dataset.get_data_info(index)
    if hasattr(dataset, 'data_list'):
        return deepcopy(dataset.data_list[index])
    raise ValueError(
        f'{type(dataset).__name__} has neither get_data_info(index) nor data_list, so nobody knows '
        'what its images are; use a data set of mmdet or mmpretrain, or add one of them.'
    )


def infos_of(dataset: Any) -> list[dict[str, Any]]:
    """`info_of` of every image."""
    return [info_of(dataset, index) for index in range(len(dataset))]


def fingerprint(dataset: Any) -> str:
    """blake2b of every image's name, bytes and annotations, wherever they lie."""
    return joined(image_digests(dataset))


def joined(digests: Sequence[tuple[str, str]]) -> str:
    """The fingerprint of a data set whose `image_digests` these are."""
    whole = hashlib.blake2b(digest_size=16)
    for _, one in digests:
        whole.update(one.encode())
    return whole.hexdigest()


def image_digests(dataset: Any) -> list[tuple[str, str]]:
    """Of every image its name, and a digest of name, bytes, annotations and masks.

    Files are read once and remembered, see `records.contents`; one that cannot be read counts as
    absent, for the evaluation to name it.
    """
    infos = infos_of(dataset)
    local: set[str] = set()
    for info in infos:
        local.update(path for path in _files(info) if '://' not in path)
    known = file_digests(sorted(local))
    found = []
    for index, info in enumerate(infos):
        name = '/'.join(Path(str(info.get('img_path') or index)).parts[-2:])
        parts = [name, str(plain(_truth(info))), _digest_of_array(info.get('img'))]
        for path in _files(info):
            parts.append(str(known[path] if path in known else digest(read_remote(path))))
        found.append((name, digest('\n'.join(parts).encode())))
    return found


def image_sizes(dataset: Any) -> Counter[tuple[int, int]]:
    """How many images there are of each height and width in pixels, unreadable ones aside."""
    sizes: Counter[tuple[int, int]] = Counter()
    paths = []
    for info in infos_of(dataset):
        if info.get('img') is not None:
            sizes[np.shape(info['img'])[:2]] += 1
        elif info.get('img_path'):
            paths.append(os.fspath(info['img_path']))
    found = facts(paths, 'size', _size_of_file, 'reading image sizes')
    for path in paths:
        if found[path] is not None:
            height, width = map(int, found[path].split())
            sizes[height, width] += 1
    return sizes


def named_files(settings: Any) -> Iterator[str]:
    """The files that a config names anywhere in it, as evaluators name their annotations."""
    if isinstance(settings, Mapping):
        settings = list(settings.values())
    if isinstance(settings, (list, tuple)):
        for one in settings:
            yield from named_files(one)
    elif isinstance(settings, (str, Path)) and os.path.isfile(settings):
        yield os.fspath(settings)


def plain(value: Any) -> Any:
    """Lists and numbers whatever they were, so that equal annotations read equal."""
    if isinstance(value, Mapping):
        return [[str(key), plain(value[key])] for key in sorted(value, key=str)]
    if hasattr(value, 'tolist'):
        return plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return float(value) if isinstance(value, (int, float)) else value


def _truth(info: Mapping[str, Any]) -> dict[str, Any]:
    """The annotations: labels, boxes, polygons and encoded masks."""
    there = ('instances', 'segments_info', 'ann')
    return {key: value for key, value in info.items() if key in there or key.startswith('gt_')}


def _files(info: Mapping[str, Any]) -> list[str]:
    """The files of an image: its own, its masks and whatever else is named in `..._path`."""
    names = [value for key, value in sorted(info.items()) if key.endswith('_path')]
    return [os.fspath(name) for name in names if name and isinstance(name, (str, os.PathLike))]


def _digest_of_array(image: Any) -> str:
    if image is None:
        return ''
    array = np.ascontiguousarray(image)
    return digest(f'{array.shape} {array.dtype}'.encode() + array.tobytes())


def _size_of_file(path: str) -> str | None:
    try:
        with Image.open(path) as image:  # reads the header alone
            width, height = image.size
    except (OSError, UnidentifiedImageError):
        return None
    return f'{height} {width}'
