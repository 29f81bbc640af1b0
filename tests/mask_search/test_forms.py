"""Scores of input channels: what they stand for, and what has none."""

import copy
import math

import pytest
import torch
from torch import nn

from mmrobustprune.cost.count import count
from mmrobustprune.mask_search import HARP, HYDRA, flops_ratio, kept_masks, make_plain, top_mask
from mmrobustprune.surgery import remove_unread
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


def removed(network, model):
    """How many times fewer FLOPs the mask comes to, and MACs the network without unread channels.

    Asserts that both networks give the same.
    """
    network.bake()
    by_mask = flops_ratio(model, kept_masks(model), (3, 8, 8))
    make_plain(model)
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    model.double().eval()
    before = model(x)
    dense = count(model, x).macs
    remove_unread(model, x)
    torch.testing.assert_close(model(x), before, rtol=0, atol=1e-10)
    return by_mask, dense / count(model, x).macs


@pytest.mark.parametrize('host', [HYDRA, HARP])
def test_readers_of_one_stream_share_scores_and_the_stream_gets_as_narrow_as_the_mask_says(host):
    model = small()
    network = host(0.75, form='channel', budget='flops', streams='tied', input_shape=(3, 8, 8))
    network = network.attach(model)
    stream = [network.layers[name].scores for name in ('one.conv1', 'two.conv1', 'two.short')]
    assert stream[0] is stream[1] is stream[2] and len(network.score_parameters()) == 4
    readers = [
        small().get_submodule(name).weight.abs() for name in LAYERS if name in network.layers
    ]
    sizes = sum(readers[at].sum((0, 2, 3)) for at in (0, 2, 4))
    torch.testing.assert_close(stream[0].detach(), math.sqrt(6) * sizes / sizes.max())
    search(model, network)
    masks = network.masks()
    assert torch.equal(masks['two.conv1'][0, :, 0, 0], masks['two.short'][0, :, 0, 0])
    by_mask, by_removal = removed(network, model)
    assert by_mask == pytest.approx(by_removal, rel=0.03)
    assert by_mask > (4 if host is HYDRA else 3)


def test_readers_that_choose_on_their_own_leave_the_stream_wider_than_the_mask_says():
    model = small()
    network = HYDRA(0.5, form='channel', input_shape=(3, 8, 8)).attach(model)
    assert network.meets_target() and network.rates() == dict.fromkeys(LAYERS[1:], 0.5)
    by_mask, by_removal = removed(network, model)
    assert by_mask > 1.2 * by_removal


def test_the_largest_share_that_the_flops_allow():
    network = HYDRA(0.75, form='channel', budget='flops', input_shape=(3, 8, 8)).attach(small())
    full = network._form.cost(1.0)
    assert network.meets_target() and network.cost() <= full / 4
    more = min(rate for rate in network.rates().values() if rate < 1) + 1 / 8
    assert network._form.cost(more) > full / 4


def test_what_cannot_be_tied_or_reached():
    class Joined(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Conv2d(3, 4, 1)
            self.b = nn.Conv2d(4, 4, 1)
            self.c = nn.Conv2d(8, 2, 1)

        def forward(self, x):
            a = self.a(x)
            return self.c(torch.cat([a, self.b(a)], 1))

    fields = dict(form='channel', input_shape=(3, 8, 8))
    with pytest.raises(ValueError, match="'c' reads 8 channels where 'b' reads 4; use streams"):
        HYDRA(0.5, streams='tied', **fields).attach(Joined())
    with pytest.raises(ValueError, match='target=0.999 of the FLOPs is out of reach'):
        HYDRA(0.999, budget='flops', **fields).attach(small())
    with pytest.raises(ValueError, match="unknown streams 'tide' .did you mean 'tied'"):
        HYDRA(0.5, streams='tide', **fields)
    with pytest.raises(ValueError, match="unknown budget 'macs'"):
        HYDRA(0.5, budget='macs', **fields)


def test_filters_keep_their_largest_score():
    scores = torch.tensor([[5.0, 4.0, 3.0], [0.1, -0.2, 0.0]])
    assert top_mask(scores, 3).tolist() == [[1, 1, 1], [0, 0, 0]]
    assert top_mask(scores, 3, filters=0).tolist() == [[1, 1, 0], [0, 1, 0]]
    assert top_mask(scores, 3, filters=1).tolist() == [[1, 1, 1], [0, 0, 0]]
    for host in (HYDRA(0.8, keep_filters=True), HARP(0.8, keep_filters=True)):
        model = small()
        with torch.no_grad():
            model.one.conv1.weight[3] *= 1e-3
        network = host.attach(model)
        mask = network.masks()['one.conv1']
        assert mask.flatten(1).any(1).all() and network.kept()['one.conv1'] == mask.sum() == 116
    with pytest.raises(ValueError, match="the target leaves 'stem' 3 weights and it has 8 filters"):
        HYDRA(0.99, keep_filters=True).attach(small())
