"""Removing masked channels from a training that goes on: optimizer, moving average, data-parallel wrapper, best scores."""

from __future__ import annotations

import os
from pathlib import Path

from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook, EarlyStoppingHook, EMAHook
from mmengine.model import is_model_wrapper

from mmrobustprune.engine.bridge.model import unwrap
from mmrobustprune.structure import rebuild
from mmrobustprune.structure.record import Structure


def cut(runner, structure: Structure) -> None:
    """Remove what `structure` leaves out; the next step is the one that the masked network would have taken."""
    wrapped = is_model_wrapper(runner.model)
    model = unwrap(runner.model)
    rebuild(model, structure, optimizer=runner.optim_wrapper.optimizer)
    for hook in runner.hooks:
        if isinstance(hook, EMAHook):
            average = hook.ema_model
            rebuild(average.module, structure)
            average.avg_parameters = (
                average.module.state_dict()
                if average.update_buffers
                else dict(average.module.named_parameters())
            )
    if wrapped:
        runner.model = runner.wrap_model(runner.cfg.get('model_wrapper_cfg'), model)
    start_scores_afresh(runner)


def start_scores_afresh(runner, before: str = 'dense') -> None:
    """From here on `best_*.pth` and early stopping know the network as it is now; an older best becomes `<before>_best_*.pth`."""
    for hook in runner.hooks:
        if isinstance(hook, CheckpointHook) and hook.save_best is not None:
            _forget_best(runner, hook, before)
        if isinstance(hook, EarlyStoppingHook):
            hook.wait_count = 0
            hook.best_score = -float('inf') if hook.rule == 'greater' else float('inf')


def _forget_best(runner, hook: CheckpointHook, before: str) -> None:
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
