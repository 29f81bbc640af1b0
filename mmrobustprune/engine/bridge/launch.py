"""Distributed training on a machine without a GPU, through the launchers that mmengine knows.

`cfg = prepare_launch(cfg)` at the top of `Runner.from_cfg` is all it takes: with a launcher and no
accelerator it starts the gloo group (mmengine would call `torch.cuda.set_device` and die), and
returns a copy of the config whose wrapper and norm layers run on a CPU. In every other case it
returns the config it was given.
"""

from __future__ import annotations

import atexit
import copy
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.dist import init_dist, is_main_process
from mmengine.logging import print_log
from mmengine.utils.dl_utils import set_multi_processing

from .config import type_name

SYNC_NORMS = ('SyncBN', 'MMSyncBN', 'SyncBatchNorm')


def prepare_launch(cfg: Config) -> Config:
    """The config, ready for its launcher on this machine."""
    launcher = cfg.get('launcher') or 'none'
    if launcher == 'none' or get_device() != 'cpu':
        return cfg
    cfg = copy.deepcopy(cfg)
    env = cfg.get('env_cfg') or {}
    if not dist.is_initialized():
        set_multi_processing(**env.get('mp_cfg', {}), distributed=True)
        with _no_device_to_set():
            init_dist(launcher, **dict(env.get('dist_cfg', {}), backend='gloo'))
        atexit.register(_leave)
    wrapper = cfg.get('model_wrapper_cfg') or dict(
        type='MMDistributedDataParallel',
        broadcast_buffers=False,
        find_unused_parameters=cfg.get('find_unused_parameters', False),
    )
    cfg['model_wrapper_cfg'] = dict(wrapper, device_ids=None)
    changed = _without_sync_norms(cfg.get('model')) or cfg.get('sync_bn') is not None
    cfg['sync_bn'] = None
    if changed and is_main_process():
        print_log(
            'SyncBatchNorm became BatchNorm, as a CPU has no other: each process normalises with '
            'its own samples.',
            'current',
        )
    return cfg


@contextmanager
def _no_device_to_set() -> Iterator[None]:
    set_device = torch.cuda.set_device
    torch.cuda.set_device = lambda device: None
    try:
        yield
    finally:
        torch.cuda.set_device = set_device


def _without_sync_norms(config: Any) -> bool:
    """BatchNorm for SyncBatchNorm in a model's config, in place; whether there was one."""
    changed = False
    if isinstance(config, dict):
        if type_name(config.get('type')) in SYNC_NORMS:
            config['type'] = 'BN'
            changed = True
        config = list(config.values())
    if isinstance(config, (list, tuple)):
        for part in config:
            changed |= _without_sync_norms(part)
    return changed


def _leave() -> None:
    """End gloo's threads, which abort a process that they outlive (pytorch issue 190489).

    They end with the last reference to the group; a runner's cycles, and the model wrapper in them,
    hold some.
    """
    if dist.is_initialized():
        dist.destroy_process_group()
    gc.collect()
