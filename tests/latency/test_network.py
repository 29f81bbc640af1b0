"""The latency of a network: its factor, its constant, its half."""

import numpy as np
import pytest
import torch
from torch import nn

from mmrobustprune.latency import (
    LatencyModel,
    Network,
    Timing,
)
from mmrobustprune.surgery import trace
from tests.latency.fake import measured
from tests.support.networks import Between


def flat(ms):
    return Timing(ms, ms, ms, ms, 5)


def whole(table, network, dense, half):
    """The model of the table's times when the whole network takes these."""
    table.networks |= {network.fingerprint: flat(dense), network.half_fingerprint: flat(half)}
    return LatencyModel(network, table)


def test_the_network_and_its_half_come_out_as_measured():
    """Blocks alone take S ms, those of half the units H; inside the network twice that, plus 1."""
    _, _, network, table = measured(dense=1.0)
    alone = LatencyModel(network, table)
    blocks, half = alone.dense - alone.constant, alone.predict(network.half) - alone.constant
    assert alone.factor == pytest.approx(1) and 0 < half < blocks
    twice = whole(table, network, 2 * blocks + 1, 2 * half + 1)
    assert (twice.factor, twice.constant) == pytest.approx((2, 1))
    assert (twice.predict({}), twice.predict(network.half)) == pytest.approx(
        (2 * blocks + 1, 2 * half + 1)
    )
    levels = {name: np.array([8, units]) for name, units in network.units.items()}
    for name, ms in alone.changes(levels, {}).items():
        assert twice.changes(levels, {})[name] == pytest.approx(2 * ms) and ms[0] < 0


def test_what_does_not_shrink_takes_no_less_than_nothing():
    _, _, network, table = measured(dense=1.0)
    blocks = 1 - LatencyModel(network, table).constant
    steep = whole(table, network, 3 * blocks, 0.1 * blocks)
    assert (steep.factor, steep.constant) == pytest.approx((3, 0))
    slower = whole(table, network, blocks + 1, blocks + 2)
    assert (slower.factor, slower.constant, slower.predict(network.half)) == pytest.approx(
        (0, blocks + 1, blocks + 1)
    )


def test_the_half_is_that_of_the_groups():
    """Halves of other groups, in one table: each network's own decides."""
    model, found, network, table = measured(dense=1.0)
    fewer = Network.read(model, found.groups[1:], torch.randn(2, 3, 8, 8))
    assert fewer.blocks == network.blocks and fewer.fingerprint != network.fingerprint
    with pytest.raises(ValueError, match='lacks this network'):
        LatencyModel(fewer, table)


def test_a_network_of_half_the_units_is_measured_beside_the_dense_one():
    model, found, network, table = measured()
    small, x = network.halved(model), torch.randn(2, 3, 8, 8)
    assert all(len(units) == 2 * int(units.sum()) for units in network.half.values())
    assert (
        small(x).shape == model(x).shape
        and small.stem[0].out_channels == model.stem[0].out_channels // 2
    )
    assert table.networks.keys() == {network.fingerprint, network.half_fingerprint}
    assert Network.read(small, trace(small, x), x).units == {
        name: n // 2 for name, n in network.units.items()
    }


def test_half_of_a_network_with_norms_across_channels():
    """A norm's time is no block's, so it belongs to the constant; the half is a plain network."""
    model = Between(nn.GroupNorm(2, 8))
    image = torch.randn(2, 3, 8, 8)
    network = Network.read(model, trace(model, image), image)
    assert [block.name for block in network.blocks] == ['first', 'last']
    half = network.halved(model)
    assert (half.first.out_channels, half.middle.num_channels, half.middle.num_groups) == (4, 4, 2)
    assert half(image).shape == model(image).shape and not half.middle._forward_hooks
