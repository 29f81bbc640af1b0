"""The vocabulary of groups, written out."""

import pytest
import torch
from torch import nn

from mmrobustprune.dependency.groups import (
    Cut,
    Group,
    Slice,
    find_layer,
    full,
    halves,
    learned,
    loose_parameters,
    matching,
    numbers_left,
    spread,
    tensors,
    width,
)


class Constant(nn.Conv2d):
    fixed = True


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


def test_constants_are_not_learned():
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
    assert laid['a'].tolist() == [5, 7, 5, 7, 6] and set(laid) == {'a'}
    assert group.slices[0].channels(torch.tensor([False, True])).tolist() == [1, 3]


def test_full_and_half():
    group = Group('a', 5, ())
    assert full((group,))['a'].tolist() == [True] * 5
    assert halves((group,))['a'].tolist() == [True, False, True, False, True]


def test_numbers_count_what_is_left():
    """Two groups take channels from what dims[1] counts, one of them two with each unit."""
    model = nn.Sequential(nn.ReLU())
    model[0].width = 8
    model[0].dims = (4, 12)
    wide = Cut('op', '0', 'dims', 1, 2)
    groups = (
        Group('a', 5, (), (wide, Cut('op', '0', 'width', channels=1))),
        Group('b', 2, (), (Cut('op', '0', 'dims', 1, 1), Cut('op', '0'))),
        Group('c', 2, (), (wide,)),
    )
    alive = halves(groups[:2]) | full(groups[2:])
    assert numbers_left(model, groups, alive) == {'0': {'dims': [4, 7], 'width': 6}}


def test_a_group_explains_itself():
    index = torch.arange(4).view(2, 2)
    group = Group('a', 2, (Slice('a', 'out', index[:, :1]), Slice('b', 'in', index)))
    assert group.explain().splitlines() == [
        'a: 2 units, one unit is',
        '  1 output channel of a',
        '  2 input channels of b',
    ]


def test_a_packed_projection_has_the_width_of_its_rows():
    model = nn.ModuleDict(dict(attn=nn.MultiheadAttention(4, 2)))
    assert width(model, 'attn', 'out') == 12 and width(model, 'attn', 'in') == 4
    assert [name for name, *_ in tensors(model, 'attn', 'out')] == [
        'attn.in_proj_weight',
        'attn.in_proj_bias',
    ]


def test_parameters_that_no_kind_knows_are_loose():
    scale = nn.Module()
    scale.gamma = nn.Parameter(torch.ones(3))
    assert [name for name, _ in loose_parameters(scale)] == ['gamma']
    assert not list(loose_parameters(nn.BatchNorm2d(3)))
    assert not list(loose_parameters(nn.MultiheadAttention(4, 2)))
