"""Mends of the projects underneath, in one table: where, how the fault shows, and what is done.

Importing this module applies them; the OpenMMLab rooms import it first. Whether a mend is needed is
tried on the module itself, so that a version, a fork or a patched copy without the fault is left
alone.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import torch
from mmengine.utils import digit_version
from torch import nn

if digit_version(torch.__version__) < digit_version('2.6'):
    raise ImportError(
        'mmrobustprune needs torch 2.6 or newer for its OpenMMLab side and found '
        f'{torch.__version__}; install a newer torch with the torchvision of the same release '
        '(tools/setup_env.sh makes an environment with both).'
    )

try:
    import torchvision  # noqa: F401
except ModuleNotFoundError:
    pass  # who needs it says so
except Exception as error:  # a build for another torch ends in a RuntimeError or an OSError
    raise ImportError(
        f'torchvision does not load ({str(error).partition(chr(10))[0]}), as it was built for '
        f'another torch than {torch.__version__}; install the torchvision of torch '
        f'{torch.__version__}, from where that torch came.'
    ) from error

from . import (  # noqa: E402
    amp,
    autocast,
    formatting,
    loading,
    one_output,
    packages,
    saving,
    unset,
    widths,
)
from .after_import import after_import  # noqa: E402


class Fix(NamedTuple):
    """A repair.

    Attributes:
        module: `apply(module)` is called once it is imported, where `is_faulty(module)`.
        is_faulty: tries the fault.
        apply: the mend.
        issue: where it is reported, else what goes wrong.
    """

    module: str
    is_faulty: Callable[[ModuleType], bool]
    apply: Callable[[ModuleType], Any]
    issue: str


def _has_no_loss(module: ModuleType) -> bool:
    head = module.SSDHead
    return not hasattr(head, 'loss_cls') and 'loss_cls' not in head.__init__.__code__.co_names


def _ssd_head(module: ModuleType) -> None:
    # predict_by_feat asks every head for it, and this one never sets it
    module.SSDHead.loss_cls = None


def _train_gives_nothing(module: ModuleType) -> bool:
    kind = module.KnowledgeDistillationSingleStageDetector
    detector = kind.__new__(kind)
    nn.Module.__init__(detector)
    detector.eval_teacher = True
    detector.teacher_model = nn.Identity()
    return detector.train() is not detector


def _distillation(module: ModuleType) -> None:
    """`model.eval()` gives the model, and `model.to(torch.float64)` is possible, as everywhere."""
    detector = module.KnowledgeDistillationSingleStageDetector
    change = detector.train

    @functools.wraps(change)
    def train(self, mode: bool = True):
        change(self, mode)
        return self

    def to(self, *args: Any, **kwargs: Any):
        self.teacher_model.to(*args, **kwargs)
        return super(detector, self).to(*args, **kwargs)

    detector.train = train
    detector.to = to


def _knows_not_our_configs(module: ModuleType) -> bool:
    from mmengine.config.utils import MODULE2PACKAGE

    return 'mmrobustprune' not in MODULE2PACKAGE


def _own_configs(module: ModuleType) -> None:
    """`_base_ = 'mmrobustprune::recipes/adasap.py'`, from a checkout or editable install too.

    mmengine looks up what a package's config names in the registries of that package alone. Ours
    name models of others, so they are read as the user's own files are.
    """
    from mmengine.config.utils import MODULE2PACKAGE

    MODULE2PACKAGE['mmrobustprune'] = 'mmrobustprune'
    find = module.get_installed_path
    own = Path(__file__).parent.parent

    @functools.wraps(find)
    def get_installed_path(package: str) -> str:
        return str(own) if package == own.name else find(package)

    module.get_installed_path = get_installed_path
    locate = module.Config._get_cfg_path

    @functools.wraps(locate)
    def locate_without_scope(cfg_path: str, filename: str) -> tuple[str, str | None]:
        path, scope = locate(cfg_path, filename)
        return path, None if scope == own.name else scope

    module.Config._get_cfg_path = staticmethod(locate_without_scope)


FIXES = (  # without a number: not reported upstream
    Fix(
        'mmdet.models.dense_heads.ssd_head',
        _has_no_loss,
        _ssd_head,
        'mmdetection#11063, #11305, #11780',
    ),
    Fix(
        'mmdet.models.detectors.kd_one_stage',
        _train_gives_nothing,
        _distillation,
        'train gives None',
    ),
    Fix(
        'mmengine.logging',
        loading.refuses_history,
        loading.allow_history,
        'mmengine#1655',
    ),
    Fix(
        'mmengine.runner.checkpoint',
        loading.runs_code,
        loading.run_no_code,
        'loading a checkpoint may run code',
    ),
    Fix(
        'mmengine.runner',
        loading.leaves_files_unnamed,
        loading.name_unreadable_files,
        'mmengine#1655',
    ),
    Fix(
        'mmengine.optim.optimizer.amp_optimizer_wrapper',
        amp.refuses_cpu,
        amp.allow_cpu,
        'mmpretrain#1556',
    ),
    Fix(
        'mmcv.ops',
        autocast.has_narrow_operators,
        autocast.widen_operators,
        'no bfloat16 on a CPU',
    ),
    Fix(
        'mmengine.evaluator.evaluator',
        autocast.has_narrow_predictions,
        autocast.widen_predictions,
        'no bfloat16 in NumPy',
    ),
    Fix(
        'mmpretrain.models.backbones.davit',
        widths.pads_tokens,
        widths.pad_images,
        'tokens are padded as images are',
    ),
    Fix(
        'mmcv.ops.merge_cells',
        widths.joins_equal_widths,
        widths.join_any_widths,
        'only equal widths are concatenated',
    ),
    Fix(
        'mmdet.models.roi_heads.roi_extractors.single_level_roi_extractor',
        widths.counts_on_its_width,
        widths.take_any_width,
        'no regions are as wide as once built',
    ),
    Fix(
        'mmdet.models.backbones.trident_resnet',
        unset.leaves_weights_unset,
        unset.draw_weights,
        'weights are what was in the memory',
    ),
    Fix(
        'mmpretrain.evaluation.metrics.single_label',
        one_output.takes_one_output,
        one_output.refuse_one_output,
        'one output is counted as class 0',
    ),
    Fix(
        'mmengine.fileio',
        saving.leaves_half_a_file,
        saving.save_whole,
        'a kill while saving leaves half a file',
    ),
    Fix(
        'mmengine.hooks',
        saving.removes_before_saving,
        saving.remove_after_saving,
        'the old goes before the new is in',
    ),
    Fix(
        'mmengine.runner',
        saving.trusts_a_stale_note,
        saving.find_latest_that_exists,
        'resume trusts a stale note',
    ),
    Fix(
        'mmengine.utils.package_utils',  # before the next, which builds on it
        packages.asks_pkg_resources,
        packages.ask_standard_library,
        'newer setuptools have no pkg_resources',
    ),
    Fix(
        'mmengine.config.config',
        _knows_not_our_configs,
        _own_configs,
        'only packages it knows have configs',
    ),
    Fix(
        'mmengine.config.config',
        formatting.formats_again,
        formatting.format_once,
        'a config is formatted four times',
    ),
)
_STATES: dict[Fix, str] = {}


def state(fix: Fix) -> str:
    """'active', 'not needed' or why it could not be tried; imports the module it is for.

    Raises:
        ImportError: that module is not there or broken.
    """
    import_module(fix.module)
    return _STATES[fix]


def _repair(fix: Fix, module: ModuleType) -> None:
    try:
        with torch.random.fork_rng(devices=[]):  # an import draws nothing
            faulty = fix.is_faulty(module)
    except Exception as error:  # a version that looks different altogether
        _STATES[fix] = f'not tried ({type(error).__name__}: {error})'
        warnings.warn(
            f"whether {fix.module} has the fault '{fix.issue}' cannot be tried ({error}), and it "
            'was left as it is; use a version of docs/howto/install.md.',
            stacklevel=2,
        )
        return
    _STATES[fix] = 'active' if faulty else 'not needed'
    if faulty:
        fix.apply(module)


for _fix in FIXES:
    after_import(_fix.module, functools.partial(_repair, _fix))
