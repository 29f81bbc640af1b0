"""A network of two channels whose scores can be written out."""

import torch
from torch import nn

from mmrobustprune.dependency import Group, Slice

TWO = torch.arange(2)[:, None]


def net():
    """conv(1 -> 2) - bn - conv(2 -> 1), and its one group."""
    model = nn.Sequential(nn.Conv2d(1, 2, (1, 2)), nn.BatchNorm2d(2), nn.Conv2d(2, 1, 1))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[3.0, 4.0], [-1.0, 1.0]]).view(2, 1, 1, 2))
        model[0].bias.copy_(torch.tensor([5.0, 6.0]))
        model[1].weight.copy_(torch.tensor([-0.5, 0.25]))
        model[2].weight.copy_(torch.tensor([12.0, -1.0]).view(1, 2, 1, 1))
    group = Group('0', 2, (Slice('0', 'out', TWO), Slice('1', 'out', TWO), Slice('2', 'in', TWO)))
    return model, (group,)


def close(ours, theirs):
    return torch.allclose(ours, torch.tensor(theirs))


def gradients(model, scale=1.0):
    """What a backward pass might leave in `net`."""
    with torch.no_grad():
        model[0].weight.grad = scale * torch.tensor([[1.0, -1.0], [2.0, 1.0]]).view(2, 1, 1, 2)
        model[0].bias.grad = scale * torch.tensor([1.0, 0.0])
        model[1].weight.grad = scale * torch.tensor([2.0, 4.0])
        model[1].bias.grad = scale * torch.tensor([1.0, 1.0])
        model[2].weight.grad = torch.zeros_like(model[2].weight)
        model[2].bias.grad = torch.zeros_like(model[2].bias)
