"""Accuracy of a network with one output, which mmpretrain's metrics take for class 0."""

from __future__ import annotations

import functools
from types import ModuleType

import torch

METRICS = ('Accuracy', 'SingleLabelMetric')


def takes_one_output(module: ModuleType) -> bool:
    """Whether one output and label 1 are counted without a word."""
    sample = dict(pred_score=torch.ones(1), gt_label=torch.ones(1, dtype=torch.int64))
    try:
        module.Accuracy().process(None, [sample])
    except ValueError:
        return False
    return True


def refuse_one_output(module: ModuleType) -> None:
    """Let mmpretrain's metrics of single labels refuse what they would count as class 0."""
    for name in METRICS:
        _check_before(getattr(module, name))


def _check_before(metric: type) -> None:
    process = metric.process

    @functools.wraps(process)
    def checked(self, data_batch, data_samples):
        for sample in data_samples:
            single = 'pred_score' in sample and sample['pred_score'].numel() == 1
            if single and sample['gt_label'].max() > 0:
                raise ValueError(
                    f'the network has 1 output, which {metric.__name__} takes for class 0, and '
                    f'an image has label {int(sample["gt_label"].max())}; give the head an output '
                    'for each class (two of them for yes and no).'
                )
        return process(self, data_batch, data_samples)

    metric.process = checked
