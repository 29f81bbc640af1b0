"""Scores of input channels: what they stand for, and what has none."""

import copy
import math

import pytest
import torch
from torch import nn

from mmrobustprune.mask_search import HARP
from tests.mask_search.nets import LAYERS, harp, search, small


def test_channel_scores_rates_and_masks():
    model, network = harp(0.5, form='channel')
    assert list(network.layers) == LAYERS[1:]  # colours have no score
    dense = small()
    for name, layer in network.layers.items():
        norms = (
            dense.get_submodule(name)
            .weight.abs()
            .sum([d for d in range(dense.get_submodule(name).weight.dim()) if d != 1])
        )
        torch.testing.assert_close(layer.scores.flatten(), math.sqrt(6) * norms / norms.max())
        keep = norms.topk(len(norms) // 2).indices.sort().values
        mask = network.masks()[name]
        assert (
            mask.view(*mask.shape[:2], -1).any(2).any(0).nonzero().flatten().tolist()
            == keep.tolist()
        )
        assert (mask == mask[:1]).all() and network.kept()[name] == int(mask.sum())
    assert network.layers['two.short'].logit is network.layers['two.conv1'].logit
    assert len(network.trained_parameters()) == 6 + 5 + 10
    assert network.rates() == dict.fromkeys(LAYERS[1:], 0.5) and network.meets_target()


def test_what_has_no_input_channels():
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3, groups=2), nn.Flatten(), nn.Linear(8 * 16, 2)
    )
    with pytest.raises(
        ValueError,
        match="input channels of '1' cannot be scored, since it is a grouped convolution",
    ):
        HARP(0.5, form='channel', input_shape=(3, 8, 8)).attach(model)
    network = HARP(0.5, form='channel', ignore=['1'], input_shape=(3, 8, 8)).attach(model)
    assert list(network.layers) == ['3'] and network.kept() == {'3': 128}
    with pytest.raises(ValueError, match='every layer reads the image itself'):
        HARP(0.5, form='channel', input_shape=(3,)).attach(nn.Linear(3, 2))


def test_a_channel_search_meets_its_flops():
    model, network = harp(0.5, form='channel', strategy='original', growth=2.0)
    for epoch in range(10):
        network.begin_epoch(epoch)
        search(model, network, 6)
        network.end_epoch()
    assert network.meets_target()
    assert float(network.excess().detach()) < 5e-5 and all(
        kept >= 1 for kept in network.kept().values()
    )


def test_rounding_alone_does_not_put_a_start_below_the_target():
    for target in (0.5, 0.7, 0.9):
        for width in (5, 7):
            model = nn.Sequential(
                nn.Conv2d(3, width, 3),
                nn.ReLU(),
                nn.Conv2d(width, 6, 3),
                nn.Flatten(),
                nn.Linear(96, 2),
            )
            for form in ('weight', 'channel'):
                network = HARP(target, form=form, start=1 - target, input_shape=(3, 8, 8)).attach(
                    copy.deepcopy(model)
                )
                assert network.ratio() == pytest.approx(target, abs=0.1)
