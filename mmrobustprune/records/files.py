"""Files that are there whole or not at all, and JSON in them."""

from __future__ import annotations

import json
import math
import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def replacing(
    path: str | os.PathLike, parts: str | os.PathLike | None = None, alone: bool = False
) -> Iterator[Path]:
    """A path to write to, whose file stands at `path` in one piece at the end.

    After an error nothing has changed.

    Args:
        path: where the file will be; its folder is made.
        parts: an existing folder of the same disk for the unfinished file; by default that of
            `path`.
        alone: whether no other process writes this file: what a kill leaves of it is overwritten
            by the next try then.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # containers that share a disk may share numbers of processes, and names
    name = path.name if alone else f'{path.name}.{os.getpid()}-{uuid.uuid4().hex[:8]}'
    part = Path(parts or path.parent, f'.{name}.part')
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def write_file(path: str | os.PathLike, data: bytes) -> None:
    """Write a file, on the disk before it gets its name, whole or not at all."""
    with replacing(path) as part, open(part, 'wb') as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def read_json(path: str | os.PathLike) -> Any:
    """The content of a JSON file.

    Raises:
        ValueError: it is cut short or no JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding='utf-8'))
    except ValueError as error:
        raise ValueError(f'{path} is cut short or no JSON; remove it and start again.') from error


def write_json(path: str | os.PathLike, content: Any) -> None:
    """Write a JSON file whole or not at all; every digit is kept, NaN and infinity are null."""
    write_file(path, json_text(content).encode())


def json_text(content: Any) -> str:
    """JSON for people: indented, NaN and infinity are null, NumPy and torch scalars numbers."""
    return json.dumps(_plain(content), indent=1, allow_nan=False, ensure_ascii=False) + '\n'


def _plain(value: Any) -> Any:
    """JSON types only; NumPy and torch scalars become numbers."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if hasattr(value, 'tolist'):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
