"""The families of layers, written out."""

import pytest
import torch
from torch import nn

from mmrobustprune.dependency.kinds import (
    bias_of,
    kind_of,
    makes,
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
    others = (nn.Conv2d(4, 6, 1, groups=2), nn.PReLU(1), nn.ReLU(), nn.Parameter(torch.ones(2, 4)))
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
