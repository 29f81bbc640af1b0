"""mmcv with and without its compiled operators, in one environment."""

import importlib.util
import os
import sys
from contextlib import contextmanager
from pathlib import Path

import mmcv.ops
import pytest
from mmcv import _ext

from mmrobustprune.compat import extension

IS_COMPILED = hasattr(_ext, '__file__')
needs_compiled = pytest.mark.skipif(not IS_COMPILED, reason='needs the compiled mmcv')


def stand_in():
    """The module that takes the place of `mmcv._ext` where Python finds none."""
    spec = extension.find_spec(extension.NAME, path=[])
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def standing_in():
    """Inside, all of `mmcv.ops` calls the stand-in."""
    files = [module for name, module in sys.modules.items() if name.startswith('mmcv.ops.')]
    asking = [file for file in files if hasattr(file, 'ext_module')]
    module = stand_in()
    before = [file.ext_module for file in asking]
    for file in asking:
        file.ext_module = module
    try:
        yield module
    finally:
        for file, compiled in zip(asking, before, strict=True):
            file.ext_module = compiled


def without_compiled(folder):
    """A folder for the front of `sys.path` whose mmcv is the installed one less `_ext`."""
    place = folder / 'mmcv'
    place.mkdir(parents=True)
    for path in Path(mmcv.__file__).parent.iterdir():
        if not path.name.startswith(('_ext', '__pycache__')):
            os.symlink(path, place / path.name)
    return folder
