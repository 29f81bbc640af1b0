"""Metrics on both sides of a mask, with no trace left in the network or the random streams."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from numbers import Number
from typing import Any

import numpy as np
import torch
from mmengine.dist import all_reduce
from mmengine.runner import Runner
from mmengine.runner.amp import autocast
from torch import Tensor, nn

from mmrobustprune.engine.bridge.model import unwrap
from mmrobustprune.rng import preserved_rng

LOSS = 'loss'  # `measure` that asks for it, and its name among the metrics


@torch.no_grad()
def validate(runner: Runner, loss: bool = False) -> dict[str, float]:
    """Metrics of the weights as they stand on the whole validation set.

    No hook runs, nothing is saved.

    Args:
        runner: the training.
        loss: whether the mean loss over the images is one of them, under 'loss'; the network stays
            in evaluation mode.
    """
    if runner._val_loop is None:
        return {}
    loop = runner.val_loop
    runner.model.eval()
    total = torch.zeros(2, dtype=torch.float64)
    with preserved_rng(), autocast(enabled=getattr(loop, 'fp16', False)):
        for batch in loop.dataloader:
            if loss:
                total += _loss_of(unwrap(runner.model), batch)
            loop.evaluator.process(data_samples=runner.model.val_step(batch), data_batch=batch)
        metrics = loop.evaluator.evaluate(len(loop.dataloader.dataset))
    runner.model.train()
    found = numbers_of(metrics)
    if loss:
        all_reduce(total)
        found[LOSS] = float(total[0] / total[1])
    return found


def check_labels(runner: Runner) -> None:
    """Refuse (ValueError) a loss over validation images whose boxes are not those of the input."""
    if runner._val_loop is None:
        return
    sample = runner.val_loop.dataloader.dataset[0]['data_samples']
    if 'gt_label' not in sample:
        raise ValueError(
            "robust_prune.measure='loss' needs validation images with labels; those of a "
            'detector have boxes in the size of the file, not of the input: use measure=True.'
        )


def _loss_of(model: nn.Module, batch: Any) -> Tensor:
    """Sum of the loss over the images of a batch, and their number."""
    data = model.data_preprocessor(copy.deepcopy(batch), False)
    loss, _ = model.parse_losses(model(**data, mode='loss'))
    images = len(data['data_samples'])
    return torch.tensor([loss.item() * images, images], dtype=torch.float64)


def numbers_of(metrics: Mapping[str, Any]) -> dict[str, float]:
    """The metrics that are one number; others are matrices, or per class."""
    found = {}
    for key, value in metrics.items():
        if isinstance(value, (np.ndarray, torch.Tensor)) and value.reshape(-1).shape[0] == 1:
            value = value.reshape(-1)[0].item()
        if isinstance(value, Number):
            found[key] = float(value)
    return found
