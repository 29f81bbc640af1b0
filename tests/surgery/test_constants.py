"""What filters of zeros leave behind goes into the layers that read it, exactly."""

import pytest
import torch
from torch import nn

from mmrobustprune.surgery import remove_unread
from mmrobustprune.surgery.constants import fold_constants

X = torch.randn(2, 3, 6, 6, generator=torch.Generator().manual_seed(0)).double()


def network(kernel=1, padding=0, bias=True):
    """Convolution, BatchNorm, ReLU, convolution, BatchNorm, linear; random statistics."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.Conv2d(6, 5, kernel, padding=padding, bias=bias),
        nn.BatchNorm2d(5),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(5, 4),
    )
    for norm in (model[1], model[4]):
        nn.init.normal_(norm.running_mean)
        nn.init.uniform_(norm.running_var, 0.5, 2)
        nn.init.normal_(norm.bias)
    model[0].weight.data[[1, 4]] = 0
    return model.double().eval()


@pytest.mark.parametrize('bias', [True, False])
@torch.no_grad()
def test_filters_of_zeros_go_and_outputs_stay(bias):
    model = network(bias=bias)
    model[1].bias[1] += 9  # its constant is far above 0
    before = model(X)
    assert fold_constants(model, X) == {}
    assert (model[3].weight[:, [1, 4]] == 0).all()
    assert remove_unread(model, X).left == {} and model[0].out_channels == 4
    assert (model(X) - before).abs().max() < 1e-10


@torch.no_grad()
def test_a_padded_border_sees_zero_and_not_the_constant():
    model = network(kernel=3, padding=1)
    model[1].bias[1] += 9
    before = model(X)
    said = fold_constants(model, X)
    assert said == {'3': 'its border is padded with zeros, and what zero filters give is not 0'}
    assert torch.equal(model(X), before)
    model = network(kernel=3, padding=1)
    model[1].bias[[1, 4]] = -99  # behind the activation there is nothing
    before = model(X)
    assert fold_constants(model, X) == {}
    remove_unread(model, X)
    assert model[0].out_channels == 4 and (model(X) - before).abs().max() < 1e-10


class Sum(nn.Module):
    """A sum of two convolutions: channel 0 of both is zero, channel 1 of one."""

    def __init__(self):
        super().__init__()
        self.one = nn.Conv2d(3, 4, 1)
        self.two = nn.Conv2d(3, 4, 1)
        self.head = nn.Conv2d(4, 2, 1, bias=False)
        self.one.weight.data[[0, 1]] = 0
        self.two.weight.data[0] = 0

    def forward(self, x):
        return self.head(self.one(x) + self.two(x))


@torch.no_grad()
def test_all_layers_of_a_sum_must_agree_and_a_place_for_the_constant_must_be_there():
    torch.manual_seed(0)
    model = Sum().double().eval()
    said = fold_constants(model, X)
    assert said == {'head': 'it has no bias, and no BatchNorm stands behind it'}
    model.one.bias[0] = -model.two.bias[0]
    before = model(X)
    assert fold_constants(model, X) == {}
    remove_unread(model, X)
    assert model.one.out_channels == 3 and (model(X) - before).abs().max() < 1e-10
