"""Loops that numba compiles."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress


def missing(module: str, error: ImportError, package: str) -> ImportError:
    """The error for a module that corruptions need and that does not import."""
    return ImportError(
        f"corruptions need the module '{module}' and it does not import ({error}); "
        f'pip install {package}.'
    )


try:
    from numba import njit
except ImportError as error:
    raise missing('numba', error, 'imagecorruptions-imaug, which brings it') from error


def compiled(function: Callable) -> Callable:
    """A function by numba that leaves Python's lock, kept on disk where that can be written."""
    out = njit(nogil=True)(function)
    with suppress(RuntimeError):  # no folder that can be written: compiled anew in every process
        out.enable_caching()
    return out


inlined = njit(nogil=True, inline='always')  # a few lines that a loop is to hold itself
