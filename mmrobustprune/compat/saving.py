"""Checkpoints that are there whole or not at all, whenever the process is killed."""

from __future__ import annotations

import functools
import os
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

from mmengine.fileio import LocalBackend
from mmengine.hooks import CheckpointHook
from mmengine.runner import checkpoint, runner

from mmrobustprune.records.files import replacing


def leaves_half_a_file(_module: ModuleType) -> bool:
    """Whether mmengine's local backend leaves a file that it could not write to its end."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, 'file')
        try:
            LocalBackend().put('no bytes', str(path))
        except TypeError:
            return path.exists()
    return False


def save_whole(_module: ModuleType) -> None:
    """Let mmengine's local backend write checkpoints (and anything else) in one piece."""

    def put(self: LocalBackend, obj: bytes, filepath: str | os.PathLike) -> None:
        with replacing(filepath, alone=True) as part:
            part.write_bytes(obj)

    LocalBackend.put = put


class _Later:
    """A file backend that keeps removals for later."""

    def __init__(self, backend: Any):
        self.backend = backend
        self.removals: list[tuple[str, str]] = []

    def __getattr__(self, name: str) -> Any:
        if name in ('remove', 'rmtree'):
            return lambda path: self.removals.append((name, path))
        return getattr(self.backend, name)


def removes_before_saving(_module: ModuleType) -> bool:
    """Whether CheckpointHook deletes the oldest checkpoint before the new one is written."""
    used = CheckpointHook._save_checkpoint_with_step.__code__.co_names  # in their order
    return [name for name in used if name in ('remove', 'save_checkpoint')][:1] == ['remove']


def remove_after_saving(_module: ModuleType) -> None:
    """Let CheckpointHook delete the oldest checkpoint once the new one is written, not before."""
    save = CheckpointHook._save_checkpoint_with_step

    @functools.wraps(save)
    def _save_checkpoint_with_step(self, runner, step, meta):
        backend = self.file_backend
        later = _Later(backend)
        self.file_backend = later
        try:
            save(self, runner, step, meta)
        finally:
            self.file_backend = backend
        for name, path in later.removals:
            getattr(backend, name)(path)

    CheckpointHook._save_checkpoint_with_step = _save_checkpoint_with_step


def trusts_a_stale_note(_module: ModuleType) -> bool:
    """Whether a note that names a checkpoint which is gone is believed."""
    with tempfile.TemporaryDirectory() as folder:
        gone = Path(folder, 'epoch_2.pth')
        Path(folder, 'last_checkpoint').write_text(str(gone))
        Path(folder, 'epoch_1.pth').touch()
        return checkpoint.find_latest_checkpoint(folder) == str(gone)


def find_latest_that_exists(_module: ModuleType) -> None:
    """Let `resume` find the newest checkpoint where `last_checkpoint` names none that exists."""
    find = checkpoint.find_latest_checkpoint

    @functools.wraps(find)
    def find_latest_checkpoint(path: str) -> str | None:
        noted = find(path)
        if noted is None or os.path.exists(noted) or '://' in noted:
            return noted
        files = [*Path(path).glob('epoch_*.pth'), *Path(path).glob('iter_*.pth')]
        return str(max(files, key=os.path.getmtime)) if files else noted or None

    from mmengine import runner as package

    for module in (checkpoint, runner, package):
        module.find_latest_checkpoint = find_latest_checkpoint
