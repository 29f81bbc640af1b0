"""Finding installed packages without `pkg_resources`, which newer setuptools do not bring.

mmengine asks it where a package lies whenever a config names one as `_base_ = 'mmdet::...'`. The
standard library knows the same.
"""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType


def asks_pkg_resources(module: ModuleType) -> bool:
    """Whether mmengine cannot tell that PyTorch is installed, which it is."""
    try:
        return not module.is_installed('torch')
    except ImportError:
        return True


def ask_standard_library(module: ModuleType) -> None:
    """Put both functions below in the place of mmengine's, wherever those were imported to."""
    for ours in (is_installed, get_installed_path):
        theirs = getattr(module, ours.__name__)
        for other in list(sys.modules.values()):
            if isinstance(other, ModuleType) and vars(other).get(ours.__name__) is theirs:
                setattr(other, ours.__name__, ours)


def is_installed(package: str) -> bool:
    """Whether there is a distribution or a module of this name."""
    try:
        distribution(package)
    except PackageNotFoundError:
        return _folder(package) is not None
    return True


def get_installed_path(package: str) -> str:
    """The folder of a package's module, whose name may be another than the distribution's.

    Raises:
        PackageNotFoundError: there is neither.
    """
    try:
        found = distribution(package)
    except PackageNotFoundError:
        folder = _folder(package)
        if folder is None:
            raise
        return str(folder)
    folder = Path(found.locate_file(package))
    if not folder.exists():
        tops = (found.read_text('top_level.txt') or package).split()
        folder = Path(found.locate_file(tops[0]))
    return str(folder)


def _folder(name: str) -> Path | None:
    spec = find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else None
