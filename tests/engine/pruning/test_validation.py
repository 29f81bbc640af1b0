"""Which metrics of a validation are recorded."""

import numpy as np
import torch

from mmrobustprune.engine.pruning.validation import numbers_of


def test_metrics_that_are_one_number_are_numbers():
    metrics = dict(a=1, b=np.float32(0.5), c=torch.tensor([2.0]), d=np.ones((1, 1)), e=True)
    matrices = dict(f=np.ones(2), g=torch.ones(2, 2), h='text', i=[1.0], j=None)
    assert numbers_of(metrics | matrices) == dict(a=1.0, b=0.5, c=2.0, d=1.0, e=1.0)
