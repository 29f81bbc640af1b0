from __future__ import annotations

import math

import pytest
import torch

from mmrobustprune.grouped_kernels.lowest import lowest

ROWS = [
    [3.0, 1, 1, 1, 0, 9],
    [2, 2, 2, 2, 2, 2],
    [5, 4, 3, 2, 1, 0],
    [1, math.inf, 1, math.inf, 7, 1],
]
DEVICES = [
    'cpu',
    pytest.param('cuda', marks=pytest.mark.skipif(not torch.cuda.is_available(), reason='no GPU')),
]


@pytest.mark.parametrize('device', DEVICES)
def test_the_smallest_come_first_and_of_equals_the_first(device):
    values = torch.tensor(ROWS, dtype=torch.float64, device=device)
    least, places = lowest(values, 3)
    assert places.tolist() == [[4, 1, 2], [0, 1, 2], [5, 4, 3], [0, 2, 5]]
    assert torch.equal(least, values.gather(1, places))
    assert values.tolist() == ROWS  # as they were
