"""Finished cells on disk: one small JSON file each, written whole or not at all, all of one run."""
from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .suites import Cell

CLEAN = Cell('clean', 0)   # the uncorrupted pass is kept like every other cell


class CellStore:
    """Metric values of finished cells; a second run of the same identity goes on from them.

    Args:
        folder: made where it is missing.
        identity: plain JSON values that name the run: weights, config, data, suite seed, versions.
    Raises:
        ValueError: the folder holds cells of another run, or a file that is no record.
    """

    def __init__(self, folder: str | os.PathLike, identity: Mapping[str, Any]) -> None:
        self.folder = Path(folder)
        wanted, path = json.loads(_text(identity)), self.folder / 'run.json'
        found = read_json(path) if path.exists() else None
        if found is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_json(path, wanted)
        elif found != wanted:
            other = sorted(key for key in {*found, *wanted} if found.get(key) != wanted.get(key))
            raise ValueError(
                f"{self.folder} holds cells of another run ({', '.join(other)} differ); give "
                'another work dir, or remove that folder.')

    def read(self, cells: Iterable[Cell]) -> dict[Cell, dict[str, float]]:
        """The finished ones among `cells`, each with its metric values."""
        return {cell: read_json(self._path(cell)) for cell in cells if self._path(cell).exists()}

    def write(self, cell: Cell, metrics: Mapping[str, Any], evidence: Any = None) -> None:
        """Keep a finished cell; its evidence per image, where there is any, lies beside it as .npz.

        Raises:
            OSError: it cannot be written; nothing of the cell is left.
        """
        path = evidence_path(self.folder, cell)
        if evidence is None:   # what lies there is of another metric
            path.unlink(missing_ok=True)
        else:
            part = path.with_name(f'.{os.getpid()}.{path.name}')
            try:
                evidence.save(part)
                os.replace(part, path)
            finally:
                part.unlink(missing_ok=True)
        write_json(self._path(cell), metrics)   # last: it says that the cell is finished

    def _path(self, cell: Cell) -> Path:
        return self.folder / f'{cell.corruption}-{cell.severity}.json'


def evidence_path(folder: str | os.PathLike, cell: Cell) -> Path:
    """Where the evidence per image of a finished cell lies."""
    return Path(folder) / f'{cell.corruption}-{cell.severity}.npz'


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
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f'.{path.name}.{os.getpid()}')
    try:
        with open(part, 'w', encoding='utf-8') as file:
            file.write(_text(content))
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _text(content: Any) -> str:
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
