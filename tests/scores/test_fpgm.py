"""Distances to the other filters."""

import torch
from torch import nn

from mmrobustprune.dependency import Group, Slice
from mmrobustprune.scores import (
    FPGM,
)
from tests.scores.nets import close


def test_fpgm_measures_the_filters_themselves():
    # Opposite filters are far apart; by absolute values they would be twins and go first.
    rows = torch.tensor([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, 0.8]])
    layer = nn.Linear(2, 4)
    with torch.no_grad():
        layer.weight.copy_(rows)
    scores = FPGM().filters(nn.Sequential(layer))['0']
    a, b, c = 5**0.5, 4.64**0.5, 0.2
    assert close(scores, [4 + a + b, 4 + a + b, 2 * a + c, 2 * b + c])
    assert scores.argsort()[:2].sort().values.tolist() == [2, 3]


def test_fpgm_leaves_removed_filters_out():
    layer = nn.Linear(2, 3)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[3.0, 0.0], [0.0, 0.0], [0.0, 4.0]]))
    assert close(FPGM().filters(nn.Sequential(layer))['0'], [5.0, 0.0, 5.0])
    index = torch.arange(3)[:, None]
    assert close(
        FPGM()(nn.Sequential(layer), [Group('0', 3, (Slice('0', 'out', index),))])['0'],
        [5.0, 0.0, 5.0],
    )
