"""mmcv's compiled operators in torchvision and plain PyTorch, for an mmcv installed without them.

The functions have the names and arguments by which the files of `mmcv.ops` call the compiled ones,
and write their results into the tensors they are given. They run on any device. As in a compiled
function, autocast does not reach into them; half-precision tensors are computed in float32.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

import torch

from . import (
    attention,
    carafe,
    deform_roi_pool,
    deformable,
    focal_loss,
    info,
    masked,
    nms,
    roi_align,
    roi_pool,
)

_FILES = (
    attention,
    carafe,
    deform_roi_pool,
    deformable,
    focal_loss,
    info,
    masked,
    nms,
    roi_align,
    roi_pool,
)


@functools.cache
def operator(name: str) -> Callable:
    """The function that stands in for mmcv's compiled `name`, or one that says there is none.

    mmcv asks for names when it is imported and calls few of them, so a missing one fails when it
    is called.
    """
    if name.startswith('_'):
        raise AttributeError(name)
    for file in _FILES:
        if name in file.OPERATORS:
            return _outside_autocast(getattr(file, name))
    return functools.partial(_missing, name)


def _outside_autocast(function: Callable) -> Callable:
    @functools.wraps(function)
    def compiled(*args: Any, **kwargs: Any) -> Any:
        device = next((arg.device.type for arg in args if isinstance(arg, torch.Tensor)), 'cpu')
        with torch.autocast(device, enabled=False):
            return function(*args, **kwargs)

    return compiled


def _missing(name: str, *args: Any, **kwargs: Any) -> None:
    version = sys.modules['mmcv'].__version__
    raise NotImplementedError(
        f"mmcv's operator '{name}' has to be compiled: mmcv is installed without its compiled "
        'operators here, and mmrobustprune has no replacement for this one; install the compiled '
        f'mmcv {version} for torch {torch.__version__} (bash tools/setup_env.sh --with-mmcv, or '
        f'pip uninstall mmcv-lite, then MMCV_WITH_OPS=1 pip install mmcv=={version}).'
    )
