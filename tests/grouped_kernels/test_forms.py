"""The two forms of a grouped-kernel layer: equal numbers forward and backward."""

import copy

import pytest
import torch
from torch import nn

from mmrobustprune.grouped_kernels import set_form
from mmrobustprune.grouped_kernels.forms import fastest
from mmrobustprune.surgery import GroupedKernelConv2d, prune_grouped_kernels


def layer(
    kernel=3, stride=1, bias=True, mode='zeros', shuffled=True, filters=12, groups=4, dilation=1
):
    """A layer of 6 input channels, of which every group reads 3 of its own choice.

    With or without an order to undo.
    """
    torch.manual_seed(0)
    conv = nn.Conv2d(
        3,
        filters,
        kernel,
        stride,
        (kernel // 2, kernel // 2 + 1),
        dilation,
        bias=bias,
        padding_mode=mode,
    )
    conv.in_channels = 6
    index = torch.cat([torch.randperm(6)[:3].sort().values for _ in range(groups)])
    return GroupedKernelConv2d(
        conv, groups, index, torch.randperm(filters) if shuffled else None
    ).double()


@pytest.mark.parametrize(
    'shape',
    [
        dict(),
        dict(stride=2),
        dict(kernel=1),
        dict(bias=False),
        dict(shuffled=False),
        dict(mode='circular', dilation=2),
    ],
)
def test_outputs_and_gradients_are_equal(shape):
    conv = layer(**shape)
    found = {}
    for form in ('grouped', 'dense'):
        x = torch.randn(
            2, 6, 9, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1)
        ).requires_grad_()
        conv.zero_grad()
        out = set_form(conv, form)(x)
        (
            out.square() * torch.linspace(0, 1, out.numel(), dtype=out.dtype).view_as(out)
        ).sum().backward()
        found[form] = [out.detach(), x.grad, *(p.grad.clone() for p in conv.parameters())]
    for one, other in zip(*found.values(), strict=True):
        assert (one - other).abs().max() <= 1e-10 * one.abs().max()


def test_second_derivatives_are_equal():
    conv = layer()
    x = torch.randn(1, 6, 5, 5, dtype=torch.float64)
    found = []
    for form in ('grouped', 'dense'):
        loss = set_form(conv, form)(x).tanh().sum()
        (gradient,) = torch.autograd.grad(loss, conv.weight, create_graph=True)
        found.append(torch.autograd.grad(gradient.square().sum(), conv.weight)[0])
    assert (found[0] - found[1]).abs().max() <= 1e-10 * found[0].abs().max()


def test_a_network_trains_to_the_same_weights_and_keeps_its_state_dict():
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 16, 3, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 16, 3, stride=2),
        nn.Flatten(),
        nn.LazyLinear(4),
    ).double()
    x, y = torch.randn(8, 3, 8, 8, dtype=torch.float64), torch.arange(8) % 4
    net(x)
    prune_grouped_kernels(net, 0.5, 8, search='l2')
    nets = [set_form(copy.deepcopy(net), form) for form in ('grouped', 'dense')]
    assert list(nets[0].state_dict()) == list(nets[1].state_dict()) == list(net.state_dict())
    for one in nets:
        optimizer = torch.optim.SGD(one.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-3)
        for _ in range(3):
            optimizer.zero_grad()
            nn.functional.cross_entropy(one(x), y).backward()
            optimizer.step()
    moved = [
        (a - b).abs().max() for a, b in zip(nets[0].parameters(), net.parameters(), strict=True)
    ]
    assert max(moved) > 1e-3
    for a, b in zip(nets[0].state_dict().values(), nets[1].state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


def test_the_fastest_form_goes_by_device_and_size_of_the_groups():
    small, large = layer(filters=12, groups=4), layer(filters=64, groups=4)
    assert (fastest(small), fastest(large), fastest(small.to('meta'))) == (
        'dense',
        'grouped',
        'grouped',
    )
    net = set_form(nn.Sequential(layer(), nn.ReLU(), layer(filters=64)))
    assert [net[0].form, net[2].form, layer().form] == ['dense', 'grouped', 'grouped']
    assert copy.deepcopy(net)[0].form == 'dense'
    with pytest.raises(
        ValueError, match="form='dens' is not known; give one of fastest, grouped, dense"
    ):
        set_form(net, 'dens')
