"""Metrics on both sides of a mask, with no trace left in the network or the random streams."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Number
from typing import Any

import numpy as np
import torch
from mmengine.runner import Runner
from mmengine.runner.amp import autocast

from mmrobustprune.rng import preserved_rng


@torch.no_grad()
def validate(runner: Runner) -> dict[str, float]:
    """Metrics of the weights as they stand on the whole validation set.

    No hook runs, nothing is saved.
    """
    if runner._val_loop is None:
        return {}
    loop = runner.val_loop
    runner.model.eval()
    with preserved_rng(), autocast(enabled=getattr(loop, 'fp16', False)):
        for batch in loop.dataloader:
            loop.evaluator.process(data_samples=runner.model.val_step(batch), data_batch=batch)
        metrics = loop.evaluator.evaluate(len(loop.dataloader.dataset))
    runner.model.train()
    return numbers_of(metrics)


def numbers_of(metrics: Mapping[str, Any]) -> dict[str, float]:
    """The metrics that are one number; others are matrices, or per class."""
    found = {}
    for key, value in metrics.items():
        if isinstance(value, (np.ndarray, torch.Tensor)) and value.reshape(-1).shape[0] == 1:
            value = value.reshape(-1)[0].item()
        if isinstance(value, Number):
            found[key] = float(value)
    return found
