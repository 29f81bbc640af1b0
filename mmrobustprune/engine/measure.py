"""Loss and metric on both sides of a mask, with no trace left in the network or the random streams."""
from __future__ import annotations

import copy
from collections.abc import Mapping
from numbers import Number
from typing import Any

import numpy as np
import torch
from mmengine.runner.amp import autocast
from torch import nn

from mmrobustprune.sharpness.guards import frozen_buffers, preserved_rng


class FixedBatch:
    """The first samples of the training set, the same in every round and after a resume."""

    def __init__(self, runner):
        loader = runner.train_dataloader
        size = loader.batch_size or getattr(loader.batch_sampler, 'batch_size', 1)
        size = min(size, len(loader.dataset))
        with preserved_rng():
            self.batch = loader.collate_fn([loader.dataset[i] for i in range(size)])

    @torch.no_grad()
    def loss(self, model: nn.Module) -> float:
        """The training loss of a network as it stands: batch statistics as in training, no dropout."""
        model.train()
        for module in model.modules():
            if 'Drop' in type(module).__name__:  # what it drops depends on the width
                module.eval()
        with preserved_rng(), frozen_buffers(model):
            torch.manual_seed(0)
            data = model.data_preprocessor(copy.deepcopy(self.batch), True)  # some losses change samples in place
            losses = model(**data, mode='loss') if isinstance(data, dict) else model(*data, mode='loss')
            loss = float(model.parse_losses(losses)[0])
        model.train()
        return loss


@torch.no_grad()
def validate(runner) -> dict[str, float]:
    """Metrics of the weights as they stand on the whole validation set; no hook runs, nothing is saved."""
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
    arrays = (np.ndarray, torch.Tensor)
    return {key: float(value) for key, value in metrics.items()
            if isinstance(value, Number) or isinstance(value, arrays) and value.reshape(-1).shape[0] == 1}

