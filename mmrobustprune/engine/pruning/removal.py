"""Removing masked channels from a training that goes on, with all that follows the weights."""

from __future__ import annotations

import os
from pathlib import Path

from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook, EarlyStoppingHook, EMAHook
from mmengine.model import BaseAveragedModel, is_model_wrapper
from mmengine.optim import ReduceOnPlateauParamScheduler
from mmengine.runner import Runner

from mmrobustprune.engine.bridge.model import unwrap
from mmrobustprune.structure import rebuild
from mmrobustprune.structure.record import Structure


def remove_channels(runner: Runner, structure: Structure) -> None:
    """Remove what `structure` leaves out from network, optimizer, moving average and wrapper.

    The next step is the one that the masked network would have taken.
    """
    wrapped = is_model_wrapper(runner.model)
    model = unwrap(runner.model)
    rebuild(model, structure, optimizer=runner.optim_wrapper.optimizer)
    for average in averages(runner):
        remove_from_average(average, structure)
    if wrapped:
        runner.model = runner.wrap_model(runner.cfg.get('model_wrapper_cfg'), model)


def averages(runner: Runner) -> list[BaseAveragedModel]:
    """The moving averages of the network that hooks keep."""
    return [hook.ema_model for hook in runner.hooks if isinstance(hook, EMAHook)]


def remove_from_average(average: BaseAveragedModel, structure: Structure) -> None:
    """Remove what `structure` leaves out from a moving average."""
    rebuild(average.module, structure)
    if average.update_buffers:
        average.avg_parameters = average.module.state_dict()
    else:
        average.avg_parameters = dict(average.module.named_parameters())


def reset_best_metrics(runner: Runner, before: str = 'dense') -> None:
    """From here on the best metric is that of the network as it is now.

    For `best_*.pth` (an older one becomes `<before>_best_*.pth`), for early stopping and for
    learning rates that fall on a plateau.
    """
    for hook in runner.hooks:
        if isinstance(hook, CheckpointHook) and hook.save_best is not None:
            _set_best_aside(runner, hook, before)
        if isinstance(hook, EarlyStoppingHook):
            hook.wait_count = 0
            hook.best_score = -float('inf') if hook.rule == 'greater' else float('inf')
    for scheduler in _schedulers(runner):
        if isinstance(scheduler, ReduceOnPlateauParamScheduler):
            scheduler.best = scheduler.rule_worse
            scheduler.num_bad_epochs = 0


def _schedulers(runner: Runner) -> list:
    found = runner.param_schedulers or []
    return sum(found.values(), []) if isinstance(found, dict) else found


def _set_best_aside(runner: Runner, hook: CheckpointHook, before: str) -> None:
    info = runner.message_hub.runtime_info
    for key in [k for k in info if k == 'best_score' or k.startswith('best_score_')]:
        runner.message_hub.pop_info(key)
    for key in [k for k in info if k == 'best_ckpt' or k.startswith('best_ckpt_')]:
        path = Path(str(runner.message_hub.pop_info(key)))
        if is_main_process() and path.exists():
            os.replace(path, path.with_name(f'{before}_{path.name}'))
    hook.best_ckpt_path = None
    if hasattr(hook, 'best_ckpt_path_dict'):
        hook.best_ckpt_path_dict = dict.fromkeys(hook.best_ckpt_path_dict)
