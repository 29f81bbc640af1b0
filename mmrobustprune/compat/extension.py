"""Who answers `import mmcv._ext`: mmcv's compiled operators, else `operators` in their place.

mmcv computes its detection operators in that one compiled module. `mmcv-lite` is mmcv without it,
and needs no compiler. A finder in front of Python's own looks for the compiled module where Python
does: found, it is loaded as ever, and where that fails one sentence says why; not found, a module
of the same name is made of `operators`.

`mmrobustprune.pth`, installed beside the package, asks `find_spec` in every process, so that
programs which import mmdet first have the operators, too.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

NAME = 'mmcv._ext'


def find_spec(name: str, path: Sequence[str] | None = None, target: Any = None) -> Any:
    """How to load `mmcv._ext`; None for every other name, as a finder answers."""
    if name != NAME:
        return None
    spec = PathFinder.find_spec(name, path)
    if spec is None:
        return ModuleSpec(name, _StandIn(), origin='mmrobustprune.compat.operators')
    spec.loader = _Compiled(spec.loader)
    return spec


class Finder:
    """`find_spec`, for `sys.meta_path`."""

    find_spec = staticmethod(find_spec)


class _Compiled(Loader):
    """The loader that Python chose, with a sentence for a module that does not load."""

    def __init__(self, loader: Loader):
        self.loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        try:
            return self.loader.create_module(spec)
        except ImportError as error:
            torch = importlib.import_module('torch').__version__
            version = sys.modules['mmcv'].__version__
            raise ImportError(
                f"mmcv's compiled operators ({spec.origin}) do not load ({error}), as they were "
                f'built for another torch than {torch} or for another Python; build mmcv {version} '
                'again for this one, or use it without them: pip uninstall mmcv, then '
                f"pip install mmcv-lite=={version}, and mmrobustprune's operators stand in.",
                name=NAME,
                path=spec.origin,
            ) from error

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__.loader = module.__loader__ = self.loader
        self.loader.exec_module(module)


class _StandIn(Loader):
    """Fills the module from `operators`."""

    def exec_module(self, module: ModuleType) -> None:
        try:
            importlib.import_module('torchvision.ops')
        except Exception as error:  # a build for another torch ends in a RuntimeError or an OSError
            torch = importlib.import_module('torch').__version__
            reason = str(error).partition('\n')[0]
            raise ImportError(
                "mmcv is installed without its compiled operators, and torchvision's, which stand "
                f'in for them, do not load ({reason}); install the torchvision that was built for '
                f'torch {torch}, from where that torch came.'
            ) from error
        operators = importlib.import_module('mmrobustprune.compat.operators')
        module.__doc__ = operators.__doc__
        module.__getattr__ = operators.operator


sys.meta_path.insert(0, Finder)
