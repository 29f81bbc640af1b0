"""mmengine's wrapper for mixed precision where there is no GPU."""

from __future__ import annotations

import functools
from types import ModuleType

import torch
from mmengine.device import get_device
from mmengine.logging import print_log


def refuses_cpu(module: ModuleType) -> bool:
    """Whether mmengine's wrapper for mixed precision asks for a GPU where there is none."""
    if get_device() != 'cpu':
        return False
    optimizer = torch.optim.SGD.__new__(torch.optim.SGD)  # made in full it costs seconds
    optimizer.param_groups = [dict(params=[])]
    try:
        module.AmpOptimWrapper(optimizer=optimizer)
    except AssertionError:
        return True
    return False


def allow_cpu(module: ModuleType) -> None:
    """Let mmengine's wrapper for mixed precision compute in bfloat16 on a CPU."""
    wrapper = module.AmpOptimWrapper
    build = wrapper.__init__

    @functools.wraps(build)
    def __init__(self, loss_scale='dynamic', dtype=None, use_fsdp=False, **kwargs):
        module.OptimWrapper.__init__(self, **kwargs)
        self._scale_update_param = None
        self.loss_scaler = torch.amp.GradScaler('cpu', enabled=False)
        self.cast_dtype = torch.bfloat16
        print_log('AMP on a CPU: autocast to bfloat16, no loss scaling.', 'current')

    wrapper.__init__ = __init__
