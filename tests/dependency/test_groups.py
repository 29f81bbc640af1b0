"""The vocabulary of groups, written out."""

import pytest
import torch
from torch import nn

from mmrobustprune.dependency.groups import (
    Group,
    Slice,
    find_layer,
    full,
    halves,
    kind_of,
    learned,
    matching,
    positions,
    spread,
    tensors,
    weights_used,
    width,
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
        'parameter': nn.Parameter(torch.ones(1, 4, 1)),
    }
    assert {name: kind_of(layer).name for name, layer in kinds.items()} == {n: n for n in kinds}
    others = (nn.Conv2d(4, 6, 1, groups=2), nn.PReLU(1), nn.ReLU(), nn.Parameter(torch.ones(2, 4)))
    assert [kind_of(layer) for layer in others] == [None] * 4


def test_tensors_and_widths_of_a_side():
    model = nn.Sequential(nn.ConvTranspose2d(4, 6, 1), nn.BatchNorm2d(6))
    out = [(name, dim) for name, _, dim in tensors(model, '0', 'out')]
    assert out == [('0.weight', 1), ('0.bias', 0)]
    assert [name for name, *_ in tensors(model, '0', 'in')] == ['0.weight']
    names = [name for name, *_ in tensors(model, '1', 'out')]
    assert names == ['1.weight', '1.bias', '1.running_mean', '1.running_var']
    assert (width(model, '0', 'in'), width(model, '0', 'out'), width(model, '1', 'out')) == (
        4,
        6,
        6,
    )
    with pytest.raises(ValueError, match="no layer '2'"):
        find_layer(model, '2')


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
    model = nn.Sequential(Constant(1, 1, 1), nn.Linear(1, 1))
    assert [p.numel() for p in learned(model)] == [1, 1]


def test_patterns_are_names_prefixes_or_globs():
    names = ['stem', 'stage.0', 'stage.1', 'head']
    assert matching(names, ['stage', 'h*']) == {
        'stage.0': 'stage',
        'stage.1': 'stage',
        'head': 'h*',
    }
    assert matching(names, ['stage.?', 'stage']) == {'stage.0': 'stage.?', 'stage.1': 'stage.?'}
    with pytest.raises(ValueError, match=r"'sten' matches no layer \(nearest: stem\)"):
        matching(names, ['sten'])


def test_unit_scores_are_spread_over_channels():
    index = torch.tensor([[0, 2], [1, 3]])
    group = Group('a', 2, (Slice('a', 'out', index), Slice('b', 'in', index)))
    laid = spread({'a': torch.tensor([5.0, 7.0])}, (group,), {'a': 5, 'b': 4})
    assert laid['a'].tolist() == [5, 7, 5, 7, 0] and set(laid) == {'a'}
    assert group.slices[0].channels(torch.tensor([False, True])).tolist() == [1, 3]


def test_full_and_half():
    group = Group('a', 5, ())
    assert full((group,))['a'].tolist() == [True] * 5
    assert halves((group,))['a'].tolist() == [True, False, True, False, True]


def test_a_group_explains_itself():
    index = torch.arange(4).view(2, 2)
    group = Group('a', 2, (Slice('a', 'out', index[:, :1]), Slice('b', 'in', index)))
    assert group.explain().splitlines() == [
        'a: 2 units, one unit is',
        '  1 output channel of a',
        '  2 input channels of b',
    ]
