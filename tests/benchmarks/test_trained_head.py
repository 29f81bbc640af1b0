import torch
from torch import nn
from torch.nn.functional import cross_entropy

from benchmarks.trained_head import PENALTY, fit


def test_the_layer_minimises_the_penalised_loss_of_its_features():
    torch.manual_seed(0)
    labels = torch.arange(3).repeat(20)
    rows = torch.eye(3)[labels] + 0.05 * torch.randn(60, 3)
    layer = nn.Linear(3, 3)
    assert fit(layer, rows, labels) == 1
    loss = cross_entropy(layer(rows), labels) + PENALTY * layer.weight.square().sum()
    slopes = torch.autograd.grad(loss, list(layer.parameters()))
    assert max(float(slope.abs().max()) for slope in slopes) < 1e-3
