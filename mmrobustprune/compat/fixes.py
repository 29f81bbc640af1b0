"""Fixes of the projects underneath, in one table: what, below which version, where reported.

Importing this module applies them; the OpenMMLab rooms import it first.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import torch
from mmengine.utils import digit_version

if digit_version(torch.__version__) < digit_version('2.6'):
    raise ImportError(
        'mmrobustprune needs torch 2.6 or newer for its OpenMMLab side and found '
        f'{torch.__version__}; install a newer torch together with the mmcv built for it '
        '(tools/setup_env.sh does both).'
    )

from . import autocast, loading, one_output, saving  # noqa: E402
from .after_import import after_import  # noqa: E402


class Fix(NamedTuple):
    """A repair: `apply(module)` once `module` is imported and its package is older than `below`."""

    module: str
    below: str
    apply: Callable[[ModuleType], Any]
    issue: str


def _ssd_head(module: ModuleType) -> None:
    # predict_by_feat asks every head for it, and this one never sets it
    module.SSDHead.loss_cls = None


def _amp_on_cpu(module: ModuleType) -> None:
    wrapper = module.AmpOptimWrapper
    build = wrapper.__init__

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
    """`_base_ = 'mmrobustprune::recipes/adasap.py'`, from a checkout or editable install too."""
    from mmengine.config.utils import MODULE2PACKAGE

    MODULE2PACKAGE.setdefault('mmrobustprune', 'mmrobustprune')
    find = module.get_installed_path
    own = Path(__file__).parent.parent

    @functools.wraps(find)
    def get_installed_path(package: str) -> str:
        return str(own) if package == own.name else find(package)

    module.get_installed_path = get_installed_path


def _distillation(module: ModuleType) -> None:
    """`model.eval()` gives the model, as everywhere else."""
    detector = module.KnowledgeDistillationSingleStageDetector
    change = detector.train

    @functools.wraps(change)
    def train(self, mode: bool = True):
        change(self, mode)
        return self

    detector.train = train


FIXES = (  # without a number: not reported upstream
    Fix('mmdet.models.dense_heads.ssd_head', '3.4', _ssd_head, 'mmdetection#11063, #11305, #11780'),
    Fix('mmdet.models.detectors.kd_one_stage', '3.4', _distillation, 'train returns None'),
    Fix('mmengine.logging', '0.11', loading.allow_history, 'mmengine#1655'),
    Fix('mmengine.runner', '0.11', loading.name_unreadable_files, 'mmengine#1655'),
    Fix('mmengine.optim.optimizer.amp_optimizer_wrapper', '0.11', _amp_on_cpu, 'mmpretrain#1556'),
    Fix('mmcv.ops', '3', autocast.widen_operators, 'no bfloat16 on a CPU'),
    Fix('mmengine.evaluator.evaluator', '0.11', autocast.widen_predictions, 'no bfloat16 in NumPy'),
    Fix(
        'mmpretrain.evaluation.metrics.single_label',
        '1.4',
        one_output.refuse_one_output,
        'one output is counted as class 0',
    ),
    Fix('mmengine.fileio', '0.11', saving.save_whole, 'a kill while saving leaves half a file'),
    Fix('mmengine.hooks', '0.11', saving.remove_after_saving, 'the old goes before the new is in'),
    Fix('mmengine.runner', '0.11', saving.find_latest_that_exists, 'resume trusts a stale note'),
    Fix('mmengine.config.config', '0.11', _own_configs, 'only packages it knows have configs'),
)


def applies(fix: Fix) -> bool:
    """Whether the installed package is older than the version that needs no repair."""
    package = import_module(fix.module.partition('.')[0])
    return digit_version(package.__version__) < digit_version(fix.below)


def _repair(fix: Fix, module: ModuleType) -> None:
    if applies(fix):
        fix.apply(module)


for _fix in FIXES:
    after_import(_fix.module, functools.partial(_repair, _fix))
