"""A convolution in blocks computes what the dense one with zeros does."""

import pytest
import torch
from torch import nn

from mmrobustprune.dependency.grouped_conv import GroupedKernelConv2d, swap

KEPT = torch.tensor([[0, 3], [1, 3]])  # channels that the two blocks of filters read
ORDER = torch.tensor([2, 0, 3, 1])  # where each output stands among the filters


def layer(out_index=ORDER, **options):
    torch.manual_seed(0)
    small = nn.Conv2d(2, 4, 3, **options).double()
    small.in_channels = 4  # as a rebuilt layer: the weight is small, the width dense
    return GroupedKernelConv2d(small, 2, KEPT.flatten(), out_index)


def by_hand(grouped):
    """(4, 4, 3, 3), the weight written out with zeros."""
    weight = torch.zeros(4, 4, 3, 3, dtype=torch.float64)
    for row in range(4):
        weight[row, KEPT[row // 2]] = grouped.weight[row].detach()
    return weight if grouped.out_index is None else weight[ORDER]


@pytest.mark.parametrize('out_index', [None, ORDER])
@pytest.mark.parametrize('form', ['grouped', 'dense'])
@pytest.mark.parametrize('options', [dict(padding=1), dict(padding=1, padding_mode='reflect')])
def test_both_forms_compute_the_dense_layer_with_zeros(out_index, form, options):
    grouped = layer(out_index, **options)
    grouped.form = form
    image = torch.randn(2, 4, 5, 5, dtype=torch.float64)
    plain = nn.Conv2d(4, 4, 3, **options).double()
    with torch.no_grad():
        plain.weight.copy_(by_hand(grouped))
        plain.bias.copy_(grouped.bias if out_index is None else grouped.bias[ORDER])
    assert torch.allclose(grouped(image), plain(image), rtol=0, atol=1e-12)
    assert torch.allclose(grouped.dense()(image), plain(image), rtol=0, atol=1e-12)


def test_indices_are_a_part_of_the_state():
    assert {'in_index', 'out_index'} <= set(layer().state_dict())
    assert 'out_index' not in layer(None).state_dict()


def test_swapping_reaches_every_place():
    old, new = nn.ReLU(), nn.Identity()
    model = nn.Sequential(old, nn.Sequential(old))
    swap(model, old, new)
    assert model[0] is new and model[1][0] is new
