"""Channels that nobody reads are removed, and nothing changes."""

import copy

import pytest
import torch
from torch import nn

from mmrobustprune.mask_search import HARP, make_plain
from mmrobustprune.structure import rebuild
from mmrobustprune.surgery import Structure, remove_unread
from tests.mask_search.nets import small
from tests.support.networks import Concat


def zero_inputs(model, **channels):
    with torch.no_grad():
        for name, index in channels.items():
            model.get_submodule(name.replace('__', '.')).weight[:, index] = 0
    return model


def outputs(model, x):
    return copy.deepcopy(model).double().eval()(x.double())


def test_inside_a_block_filters_go_with_the_channels_their_reader_masks():
    model, x = zero_inputs(small(), one__conv2=[1, 5]), torch.randn(2, 3, 8, 8)
    dense, expected = copy.deepcopy(model), outputs(model, x)
    done = remove_unread(model, x)
    assert (
        done.left == {}
        and model.one.conv1.weight.shape == (6, 8, 3, 3)
        and model.one.bn1.num_features == 6
    )
    assert done.structure.layers['one.conv2']['in'] == [0, 2, 3, 4, 6, 7]
    assert (outputs(model, x) - expected).abs().max() < 1e-10
    again = rebuild(dense, Structure.from_json(done.structure.to_json()))
    assert torch.equal(again.eval()(x), model.eval()(x))


def test_on_a_residual_stream_all_readers_must_agree():
    model = zero_inputs(small(), one__conv1=[0, 2], two__conv1=[2, 3], two__short=[2])
    x = torch.randn(2, 3, 8, 8)
    expected = outputs(model, x)
    done = remove_unread(model, x)
    assert model.stem.out_channels == 7 and done.structure.layers['stem']['out'] == [
        0,
        1,
        3,
        4,
        5,
        6,
        7,
    ]
    assert (outputs(model, x) - expected).abs().max() < 1e-10
    assert done.left == {
        'one.conv1': "1 of 2 masked input channels stay: 'two.conv1' reads some of them, "
        "'two.short' reads some of them",
        'two.conv1': "1 of 2 masked input channels stay: 'one.conv1' reads some of them, "
        "'two.short' reads some of them",
    }


def test_one_channel_stays_and_colours_too():
    model = zero_inputs(small(), one__conv2=list(range(8)), stem=[0])
    x = torch.randn(2, 3, 8, 8)
    expected = outputs(model, x)
    done = remove_unread(model, x)
    assert model.one.conv1.out_channels == 1 and (outputs(model, x) - expected).abs().max() < 1e-10
    assert done.left == {
        'stem': '1 of 1 masked input channels stay: the width of what it reads is fixed',
        'one.conv2': '1 of 8 masked input channels stay: one channel has to stay',
    }


def test_a_flattened_channel_goes_when_all_its_positions_are_masked():
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(16, 5),
    )
    zero_inputs(model, **{'5': [4, 5, 6, 7, 9, 10]})  # channel 1, and half of channel 2
    x = torch.randn(2, 3, 8, 8)
    expected = outputs(model, x)
    done = remove_unread(model, x)
    assert model[0].out_channels == 3 and model[5].in_features == 12
    assert (outputs(model, x) - expected).abs().max() < 1e-10
    assert done.left == {
        '5': '2 of 6 masked input channels stay: other positions of the same channels are not '
        'masked'
    }


def test_nothing_masked_is_nothing_removed():
    model = small()
    done = remove_unread(model, torch.randn(2, 3, 8, 8))
    assert (
        done.structure.layers == {} and done.left == {} and done.structure.achieved['params'] == 0
    )


def test_concatenation_and_depthwise_between():
    model = zero_inputs(Concat(), fc=[*range(4), *range(16, 20)])
    x = torch.randn(2, 3, 6, 6)
    expected = outputs(model, x)
    remove_unread(model, x)
    assert (model.left.out_channels, model.right.out_channels, model.depth.groups) == (2, 4, 6)
    assert (outputs(model, x) - expected).abs().max() < 1e-10


def test_a_searched_channel_mask_becomes_a_smaller_network():
    model, x = small(), torch.randn(2, 3, 8, 8)
    network = HARP(0.5, form='channel', input_shape=(3, 8, 8)).attach(model)
    network.bake()
    with pytest.raises(ValueError, match="'one.conv1' is parametrized.*call make_plain"):
        remove_unread(model, x)
    make_plain(model)
    expected = outputs(model, x)
    done = remove_unread(model, x)
    assert model.one.conv1.out_channels == 4 and model.two.conv1.out_channels == 6
    assert (outputs(model, x) - expected).abs().max() < 1e-10
    assert done.left and done.structure.achieved['macs'] > 0.3


def test_channels_that_a_norm_goes_across_stay():
    """The norm reads them all: without an unread one the others would change."""
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.GroupNorm(2, 8), nn.Conv2d(8, 2, 1))
    with torch.no_grad():
        model[2].weight[:, [0, 4]] = 0
    x = torch.randn(2, 3, 8, 8)
    expected = outputs(model, x)
    done = remove_unread(model, x)
    assert torch.equal(outputs(model, x), expected) and not done.structure.layers
    assert done.left == {'2': "2 of 2 masked input channels stay: '1' normalises across them"}


def test_a_head_that_nobody_reads_goes():
    """Of the second head one dimension is read, of the first none."""

    class Attended(nn.Module):
        def __init__(self):
            super().__init__()
            self.attn = nn.MultiheadAttention(8, 2, batch_first=True)
            self.head = nn.Linear(8, 2)

        def forward(self, tokens):
            return self.head(self.attn(tokens, tokens, tokens)[0])

    model = Attended()
    with torch.no_grad():
        model.attn.out_proj.weight[:, [0, 1, 2, 3, 5]] = 0
    tokens = torch.randn(2, 3, 8)
    expected = outputs(model, tokens)
    done = remove_unread(model, tokens)
    assert done.structure.layers['attn.out_proj']['in'] == [4, 5, 6, 7]
    assert model.attn.in_proj_weight.shape == (12, 8) and model.attn.num_heads == 1
    assert (outputs(model, tokens) - expected).abs().max() < 1e-10
