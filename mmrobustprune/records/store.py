"""Finished cells on disk: one small JSON file each, written whole or not at all, all of one run."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from .files import json_text, read_json, replacing, write_json

Key = tuple[str, int]  # what was asked, and which part or level of it


class Saved(Protocol):
    """Evidence that can be kept beside a cell."""

    def save(self, path: str | os.PathLike) -> None:
        """Write it under exactly this name."""


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
        wanted = json.loads(json_text(identity))
        path = self.folder / 'run.json'
        found = read_json(path) if path.exists() else None
        if found is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_json(path, wanted)
        elif found != wanted:
            other = sorted(key for key in {*found, *wanted} if found.get(key) != wanted.get(key))
            raise ValueError(
                f'{self.folder} holds cells of another run ({", ".join(other)} differ); give '
                'another work dir, or remove that folder.'
            )

    def read(self, cells: Iterable[Key]) -> dict[Key, dict[str, float]]:
        """The finished ones among `cells`, each with its metric values."""
        return {cell: read_json(self._path(cell)) for cell in cells if self._path(cell).exists()}

    def write(self, cell: Key, metrics: Mapping[str, Any], evidence: Saved | None = None) -> None:
        """Keep a finished cell; its evidence per image, where there is any, lies beside it as .npz.

        Raises:
            OSError: it cannot be written; nothing of the cell is left.
        """
        path = evidence_path(self.folder, cell)
        if evidence is None:  # what lies there is of another metric
            path.unlink(missing_ok=True)
        else:
            with replacing(path) as part:
                evidence.save(part)
        write_json(self._path(cell), metrics)  # last: it says that the cell is finished

    def _path(self, cell: Key) -> Path:
        name, number = cell
        return self.folder / f'{name}-{number}.json'


def evidence_path(folder: str | os.PathLike, cell: Key) -> Path:
    """Where the evidence per image of a finished cell lies."""
    name, number = cell
    return Path(folder) / f'{name}-{number}.npz'
