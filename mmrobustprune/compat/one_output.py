"""Labels that a network has no output for, which mmpretrain's metrics count without a word.

One output is taken for class 0; an image whose label lies behind the last one is always wrong.
"""

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
    """Let mmpretrain's metrics of single labels refuse labels that no output is for."""
    for name in METRICS:
        _check_before(getattr(module, name))


def _check_before(metric: type) -> None:
    process = metric.process

    @functools.wraps(process)
    def checked(self, data_batch, data_samples):
        for sample in data_samples:
            if 'pred_score' in sample:
                _refuse(
                    sample['pred_score'].numel(), int(sample['gt_label'].max()), metric.__name__
                )
        return process(self, data_batch, data_samples)

    metric.process = checked


def _refuse(outputs: int, label: int, metric: str) -> None:
    if label < outputs:
        return
    if outputs == 1:
        raise ValueError(
            f'the network has 1 output, which {metric} takes for class 0, and an image has label '
            f'{label}; give the head an output for each class (two of them for yes and no).'
        )
    raise ValueError(
        f'the network has {outputs} outputs and an image has label {label}, for which {metric} has '
        'none; give the head an output for each class, or the data set labels from 0.'
    )
