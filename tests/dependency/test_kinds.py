"""The families of layers, written out."""

import pytest
import torch
import torchvision
from torch import nn

from mmrobustprune.dependency.kinds import (
    CONV,
    GROUPED,
    GROUPS,
    bias_of,
    blocks_of,
    by_channel,
    is_deformable,
    kind_of,
    makes,
    over_tensor,
    positions,
    produces,
    weight_name,
    weight_of,
    weights_used,
)


class Constant(nn.Conv2d):
    fixed = True


def test_kinds_of_layers():
    kinds = {
        'conv': nn.Conv2d(4, 6, 1),
        'transposed': nn.ConvTranspose2d(4, 6, 1),
        'depthwise': nn.Conv2d(4, 4, 1, groups=4),
        'linear': nn.Linear(4, 6),
        'norm': nn.BatchNorm2d(4),
        'prelu': nn.PReLU(4),
        'packed': nn.MultiheadAttention(4, 2),
        'parameter': nn.Parameter(torch.ones(1, 4, 1)),
    }
    assert {name: kind_of(layer).name for name, layer in kinds.items()} == {n: n for n in kinds}
    others = (
        nn.ConvTranspose2d(4, 6, 1, groups=2),
        nn.PReLU(1),
        nn.ReLU(),
        nn.Parameter(torch.ones(2, 4)),
    )
    assert [kind_of(layer) for layer in others] == [None] * 4


PARAMETERS = {  # shape of a bare parameter -> the dimension of its channels
    (8,): 0,
    (8, 1, 1): 0,
    (1, 1, 8): 2,  # a class token
    (1, 17, 8): 2,  # a position embedding
    (1, 8, 4, 4): 1,
    (1, 4, 4, 8): 3,
    (1, 4, 8, 4): None,
    (1, 4, 6, 8): None,
    (17, 8): None,
    (1, 1, 1): None,
}


@pytest.mark.parametrize('shape', PARAMETERS)
def test_channels_of_bare_parameters(shape):
    parameter = nn.Parameter(torch.ones(shape))
    kind = kind_of(parameter)
    dim = PARAMETERS[shape]
    assert (kind is None) == (dim is None)
    assert kind is None or (kind.dims, kind.width(parameter, 'out')) == ({'out': {'': dim}}, 8)


@pytest.mark.parametrize(
    'inputs, outputs, groups, kind',
    [
        (8, 8, 2, GROUPED),  # 4 channels of each side can go, or 2 groups
        (8, 16, 4, GROUPED),  # 2 and 4, or 4
        (12, 12, 6, GROUPS),  # 2 and 2, or 6
        (4, 8, 4, GROUPS),  # a depthwise convolution with a multiplier: one input of each group
    ],
)
def test_equal_numbers_per_group_or_whole_groups_where_more_can_go(inputs, outputs, groups, kind):
    assert kind_of(nn.Conv2d(inputs, outputs, 1, groups=groups)) is kind


def test_a_deformable_convolution_is_a_convolution_by_name():
    conv = torchvision.ops.DeformConv2d(4, 6, 3)
    assert kind_of(conv) is CONV and produces(conv) and is_deformable(conv)
    assert positions(conv, torch.zeros(2, 4, 5, 5), torch.zeros(2, 6, 3, 3)) == 2 * 9


def test_blocks_of_filters_read_channels_of_their_own():
    """Two groups of one filter read two channels each: channel 2 is the first of the second."""
    conv = nn.Conv2d(4, 2, 1, groups=2)
    weight = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).view(2, 2, 1, 1)
    assert blocks_of(conv, 'in') == 2 and blocks_of(conv, 'out') == 1
    assert by_channel(conv, 'in', weight).tolist() == [[1], [2], [3], [4]]
    assert by_channel(conv, 'out', weight).tolist() == [[1, 2], [3, 4]]
    dead = torch.tensor([False, True, True, False])
    assert over_tensor(dead, weight, 1, 2).flatten(1).tolist() == [[False, True], [True, False]]
    plain = over_tensor(dead[:2], weight, 0)
    assert plain.shape == (2, 1, 1, 1) and plain.flatten().tolist() == [False, True]


def test_a_layer_is_used_once_per_output_position():
    image = torch.zeros(2, 4, 6, 6)
    conv = nn.Conv2d(4, 3, 3, stride=2)
    assert positions(conv, image, conv(image)) == 2 * 2 * 2
    transposed = nn.ConvTranspose2d(4, 3, 2, stride=2)
    assert positions(transposed, image, transposed(image)) == 2 * 6 * 6
    linear = nn.Linear(4, 3)
    tokens = torch.zeros(2, 5, 4)
    assert positions(linear, tokens, linear(tokens)) == 2 * 5


def test_constants_and_layers_that_make_nothing_use_no_weights():
    assert weights_used(nn.Conv2d(4, 6, 3)) == 4 * 6 * 9
    assert weights_used(nn.Linear(4, 6)) == 24
    assert weights_used(Constant(4, 6, 3)) == weights_used(nn.BatchNorm2d(4)) == 0


def test_a_packed_projection_makes_channels():
    packed = nn.MultiheadAttention(4, 2)
    linear = nn.Linear(4, 6, bias=False)
    assert makes(packed) and not produces(packed) and makes(linear) and not makes(nn.ReLU())
    assert weight_name(packed) == 'in_proj_weight' and weight_name(linear) == 'weight'
    assert weight_of(packed) is packed.in_proj_weight and weight_of(linear) is linear.weight
    assert bias_of(packed) is packed.in_proj_bias and bias_of(linear) is None
    assert weights_used(packed) == 12 * 4
