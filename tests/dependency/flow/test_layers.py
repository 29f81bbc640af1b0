"""How channels enter layers, and what must stay even."""

import pytest
import torch
import torchvision
from torch import nn

from mmrobustprune.dependency.flow.layers import (
    enter_layer,
    even_parts,
    layout_of,
    uses_weight,
    why_closed,
)
from mmrobustprune.dependency.flow.layout import Layout, Unknown


def test_the_axis_of_a_layer():
    assert layout_of(nn.Conv2d(4, 4, 1), (4, 4, 4, 4), 4).axes == (1,)
    assert layout_of(nn.Conv2d(4, 4, 1), (4, 4, 4), 4).axes == (0,)  # without a batch
    assert layout_of(nn.Linear(4, 4), (4, 4, 4), 4).axes == (2,)
    assert layout_of(nn.BatchNorm2d(4), (2, 4, 3, 3), 4).axes == (1,)
    assert layout_of(nn.Linear(4, 4), None, 4) is None


def test_channels_enter_one_by_one_or_with_all_of_their_positions():
    passage = enter_layer(nn.Conv2d(4, 2, 1), 'conv', Layout.along((2, 4, 3, 3), 1), 4)
    assert passage.target.tolist() == [0, 1, 2, 3]
    image = Layout((2, 2, 3), (1, 2), 1)  # 6 features as 2 channels of 3 positions
    passage = enter_layer(nn.Conv1d(2, 2, 1), 'conv', image, 6)
    assert passage.target.tolist() == [0, 0, 0, 1, 1, 1]


def test_whole_groups_go_with_what_they_read():
    """Two groups read two channels each and make one: channels 2 and 3 are those of output 1."""
    conv = nn.Conv2d(8, 4, 1, groups=4)
    passage = enter_layer(conv, 'conv', Layout.along((2, 8, 3, 3), 1), 8)
    assert passage.target.tolist() == [0, 0, 1, 1, 2, 2, 3, 3] and passage.width == 4
    conv = nn.Conv2d(2, 4, 1, groups=2)
    passage = enter_layer(conv, 'conv', Layout.along((2, 2, 3, 3), 1), 2)
    assert passage.source.tolist() == [0, 0, 1, 1] and passage.target.tolist() == [0, 1, 2, 3]


def test_what_a_layer_does_not_read_as_channels():
    with pytest.raises(Unknown, match="'mix' reads along another axis than that of its channels"):
        enter_layer(nn.Linear(4, 4), 'mix', Layout.along((2, 4, 4), 1), 4)
    with pytest.raises(Unknown, match="'conv' reads 4 channels where 6 arrive"):
        enter_layer(nn.Conv2d(4, 2, 1), 'conv', Layout.along((2, 6, 3, 3), 1), 6)


def test_groups_of_filters_and_of_offsets_stay_even():
    rules = even_parts(nn.Conv2d(8, 12, 1, groups=2))
    assert rules['in'][0].tolist() == [0] * 4 + [1] * 4
    assert rules['out'][0].tolist() == [0] * 6 + [1] * 6
    assert not even_parts(nn.Conv2d(8, 8, 1)) and not even_parts(nn.ReLU())
    deformed = torchvision.ops.DeformConv2d(8, 8, 1)
    assert not even_parts(deformed)
    deformed.deform_groups = 4  # as mmcv's have it
    part, what = even_parts(deformed)['in']
    assert part.tolist() == [0, 0, 1, 1, 2, 2, 3, 3] and 'offsets' in what


def test_whose_weight_is_used_as_it_is():
    conv = nn.Conv2d(2, 2, 1)
    image = torch.zeros(1, 2, 3, 3, requires_grad=True)
    assert uses_weight(conv(image).grad_fn, conv)
    assert not uses_weight(nn.functional.conv2d(image, conv.weight * 2).grad_fn, conv)
    assert not uses_weight((image * 2).grad_fn, conv)


def test_why_layers_are_closed():
    assert why_closed(nn.LayerNorm((4, 2)), 'n') == (
        "LayerNorm 'n' normalises over (4, 2), channels and positions"
    )
    conv = nn.ConvTranspose2d(4, 4, 1, groups=2)
    assert why_closed(conv, 'c') == "'c' is a transposed convolution of 2 groups"
    assert '(2, 2) are not known' in why_closed(nn.Parameter(torch.ones(2, 2)), 'p')
