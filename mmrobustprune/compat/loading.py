"""Loading mmengine's checkpoints under `weights_only=True`; one sentence for a file that is not.

A checkpoint of mmengine holds its log history: HistoryBuffer objects with NumPy arrays, and four of
HistoryBuffer's methods, which pickle writes as `getattr(HistoryBuffer, 'mean')`. The classes are
allowed by name. `getattr` itself never is (with it a crafted file reaches
`torch._utils._rebuild_parameter.__globals__` and runs code): under its name stands
`history_method`, which knows those four methods and nothing else.
"""

from __future__ import annotations

import functools
import os
import pickle
import re
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
