"""Loading mmengine's checkpoints under `weights_only=True`; one sentence for a file that is not.

A checkpoint of mmengine holds its log history: HistoryBuffer objects with NumPy arrays, and four of
HistoryBuffer's methods, which pickle writes as `getattr(HistoryBuffer, 'mean')`. The classes are
allowed by name. `getattr` itself never is (with it a crafted file reaches
`torch._utils._rebuild_parameter.__globals__` and runs code): under its name stands
`history_method`, which knows those four methods and nothing else.

The fork `onedl-mmengine` loads through a function of its own, which allows `getattr`, loads what is
refused all the same, and takes every name it allowed out of torch's list afterwards, ours included.
`run_no_code` puts torch's own loading in its place.
"""

from __future__ import annotations

import functools
import io
import os
import pickle
import re
import tempfile
from contextlib import redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner.checkpoint import CheckpointLoader

METHODS = ('max', 'min', 'mean', 'current')
ASKED = 'it asks for'


def history_method(owner: Any, name: str) -> Any:
    """The stand-in for `getattr` in a checkpoint.

    Raises:
        pickle.UnpicklingError: anything but one of the four methods of HistoryBuffer.
    """
    if owner is not HistoryBuffer or name not in METHODS:
        kind = getattr(owner, '__qualname__', type(owner).__qualname__)
        raise pickle.UnpicklingError(f'{ASKED} attribute {name!r} of {kind}')
    return vars(HistoryBuffer)[name]


def refuses_history(_module: ModuleType) -> bool:
    """Whether `torch.load(weights_only=True)` refuses what mmengine writes."""
    file = io.BytesIO()
    torch.save(HistoryBuffer([1.0], [1]), file)
    file.seek(0)
    try:
        torch.load(file, weights_only=True)
    except pickle.UnpicklingError:
        return True
    return False


def allow_history(_module: ModuleType) -> None:
    """Let `torch.load(weights_only=True)` read what mmengine writes."""
    arrays = np._core.multiarray if hasattr(np, '_core') else np.core.multiarray
    dtypes = {type(np.dtype(code)) for code in np.typecodes['All'] if code not in 'OV'}
    functions = []
    for name in ('_reconstruct', 'scalar'):
        for module in ('core', '_core'):  # files of NumPy 1 and 2
            functions.append((getattr(arrays, name), f'numpy.{module}.multiarray.{name}'))
    attribute = (history_method, 'builtins.getattr')
    torch.serialization.add_safe_globals(
        [HistoryBuffer, attribute, np.ndarray, np.dtype, *dtypes, *functions]
    )


_ran: list[int] = []


def _run() -> None:
    _ran.append(1)


class _Witness:
    """An object whose file calls a function of this module when it is loaded."""

    def __reduce__(self) -> tuple:
        return _run, ()


def runs_code(_module: ModuleType) -> bool:
    """Whether mmengine's loader runs what a file says, which a checkpoint never needs."""
    _ran.clear()
    allowed = torch.serialization.get_safe_globals()
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(io.StringIO()):
        path = Path(folder, 'file.pth')
        torch.save(_Witness(), path)
        try:
            CheckpointLoader.load_checkpoint(str(path), logger='silent')
        except Exception:  # refused, in whatever words
            pass
    torch.serialization.add_safe_globals(allowed)  # the fork's loader takes ours out of the list
    return bool(_ran)


def run_no_code(module: ModuleType) -> None:
    """Let mmengine's loader load as torch does where nothing else is asked for."""

    def load(file: Any, map_location: Any = None, weights_only: bool | None = None) -> Any:
        safe = weights_only is not False
        return torch.load(file, map_location=map_location, weights_only=safe)

    module._safe_torch_load = load


def leaves_files_unnamed(_module: ModuleType) -> bool:
    """Whether mmengine's loader says of a damaged file neither its name nor what to do."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, 'file.pth')
        path.touch()
        try:
            CheckpointLoader.load_checkpoint(str(path), logger='silent')
        except Exception as error:
            return not (isinstance(error, ValueError) and str(path) in str(error))
    return False


def name_unreadable_files(_module: ModuleType) -> None:
    """Make mmengine's loader say in one sentence why a file is not loaded."""
    load = CheckpointLoader.load_checkpoint.__func__

    @functools.wraps(load)
    def load_checkpoint(cls, filename, map_location=None, logger='current'):
        try:
            return load(cls, filename, map_location, logger)
        except (OSError, ImportError, torch.OutOfMemoryError):
            raise
        except Exception as error:
            if not isinstance(error, pickle.UnpicklingError) and not os.path.isfile(filename):
                raise
            raise ValueError(_sentence(filename, error)) from None

    CheckpointLoader.load_checkpoint = classmethod(load_checkpoint)


def _sentence(filename: str, error: Exception) -> str:
    inner = re.search(r'WeightsUnpickler error:\s*(.+)', str(error))
    reason = (inner[1] if inner else str(error)).strip() or type(error).__name__
    wanted = re.search(r'GLOBAL (\S+)', reason)
    if wanted or reason.startswith(ASKED):
        what = f'{ASKED} {wanted[1]}' if wanted else reason
        return (
            f"'{filename}' was not loaded because {what}, which a checkpoint does not need and "
            'a crafted one uses to run code; if you trust its source, load it there and save '
            'its state_dict alone.'
        )
    first = re.split(r'\.\s|\n', reason)[0].rstrip('.')
    return (
        f"'{filename}' cannot be read as a checkpoint ({first}): it is cut short, damaged or of "
        'another kind; copy it again or give an earlier one.'
    )
