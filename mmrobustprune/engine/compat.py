"""Fixes of the projects underneath, in one table: what, below which version, and where it was reported.

Importing this module applies them; the OpenMMLab rooms import it first.
"""
from __future__ import annotations

import functools
import importlib.abc
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import torch
from mmengine.utils import digit_version

if digit_version(torch.__version__) < digit_version('2.6'):
    raise ImportError(f'mmrobustprune needs torch 2.6 or newer for its OpenMMLab side and found {torch.__version__}; install a '
                      'newer torch together with the mmcv built for it (tools/setup_env.sh does both).')

from . import loading, saving  # noqa: E402


class Fix(NamedTuple):
    """A repair of `package` below version `below`, made by `apply(module)` once `module` is imported."""

    package: str
    below: str
    issue: str
    module: str
    apply: Callable[[ModuleType], Any]


def _ssd_head(module: ModuleType) -> None:
    module.SSDHead.loss_cls = None  # predict_by_feat asks every head for it, and this one never sets it


def _amp_without_gpu(module: ModuleType) -> None:
    wrapper, build = module.AmpOptimWrapper, module.AmpOptimWrapper.__init__

    @functools.wraps(build)
    def __init__(self, loss_scale='dynamic', dtype=None, use_fsdp=False, **kwargs):
        from mmengine.device import get_device
        from mmengine.logging import print_log
        if get_device() != 'cpu':
            return build(self, loss_scale, dtype, use_fsdp, **kwargs)
        module.OptimWrapper.__init__(self, **kwargs)
        self._scale_update_param = None
        self.loss_scaler = torch.amp.GradScaler('cpu', enabled=False)
        self.cast_dtype = torch.bfloat16
        print_log('AMP on a CPU: autocast to bfloat16, no loss scaling.', 'current')

    wrapper.__init__ = __init__


def _own_configs(module: ModuleType) -> None:
    """`_base_ = 'mmrobustprune::recipes/adasap.py'`, from a checkout and an editable install too."""
    from mmengine.config.utils import MODULE2PACKAGE
    MODULE2PACKAGE.setdefault('mmrobustprune', 'mmrobustprune')
    find, own = module.get_installed_path, Path(__file__).parent.parent

    @functools.wraps(find)
    def get_installed_path(package: str) -> str:
        return str(own) if package == own.name else find(package)

    module.get_installed_path = get_installed_path


FIXES = (
    Fix('mmdet', '3.4', 'open-mmlab/mmdetection#11063, #11305, #11780', 'mmdet.models.dense_heads.ssd_head', _ssd_head),
    Fix('mmengine', '0.11', 'open-mmlab/mmengine#1655', 'mmengine.logging', lambda _: loading.allow_history()),
    Fix('mmengine', '0.11', 'open-mmlab/mmengine#1655', 'mmengine.runner', lambda _: loading.name_unreadable_files()),
    Fix('mmengine', '0.11', 'open-mmlab/mmpretrain#1556', 'mmengine.optim.optimizer.amp_optimizer_wrapper', _amp_without_gpu),
    Fix('mmengine', '0.11', 'not reported: a kill while saving leaves half a file', 'mmengine.fileio',
        lambda _: saving.save_whole()),
    Fix('mmengine', '0.11', 'not reported: max_keep_ckpts deletes before it saves', 'mmengine.hooks',
        lambda _: saving.remove_after_saving()),
    Fix('mmengine', '0.11', 'not reported: resume trusts a note about a missing file', 'mmengine.runner',
        lambda _: saving.find_latest_that_exists()),
    Fix('mmengine', '0.11', 'by design: only its own packages are found by name', 'mmengine.config.config', _own_configs),
)


class _AfterImport(importlib.abc.MetaPathFinder):
    """Calls `then(module)` right after the first import of `name`, so that nothing is imported for a fix alone."""

    def __init__(self, name: str, then: Callable[[ModuleType], Any]):
        self.name, self.then = name, then

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name != self.name:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None:
            execute = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                execute(module)
                self.then(module)

            spec.loader.exec_module = exec_module
        return spec


def _repair(fix: Fix, module: ModuleType) -> None:
    if digit_version(sys.modules[fix.package].__version__) < digit_version(fix.below):
        fix.apply(module)


for _fix in FIXES:
    if _fix.module in sys.modules:
        _repair(_fix, sys.modules[_fix.module])
    else:
        sys.meta_path.insert(0, _AfterImport(_fix.module, functools.partial(_repair, _fix)))
