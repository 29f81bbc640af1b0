"""Torch-Pruning on a network whose answer is known."""

import torch
from torch import nn

from mmrobustprune.dependency.tracing import trace
from mmrobustprune.engine.coverage.peer import prune_with_torch_pruning


def forward(model, example):
    return model(example)


def test_the_same_share_of_every_layer_goes():
    """19 % of the MACs are 10 % of the channels; the output is named by our trace."""
    model = nn.Sequential(nn.Conv2d(1, 20, 1), nn.Conv2d(20, 40, 1), nn.Conv2d(40, 10, 1))
    example = torch.rand(1, 1, 4, 4)
    prune_with_torch_pruning(model, example, forward, 0.19, trace(model, example))
    assert [layer.out_channels for layer in model] == [18, 36, 10]


def test_without_a_trace_outputs_shrink():
    model = nn.Sequential(nn.Conv2d(1, 20, 1), nn.Conv2d(20, 40, 1))
    prune_with_torch_pruning(model, torch.rand(1, 1, 4, 4), forward, 0.19, None)
    assert [layer.out_channels for layer in model] == [18, 36]
