"""First rates, and the counts they come to."""

import pytest
import torch

from mmrobustprune.mask_search import rates
from tests.mask_search.nets import batch, harp


def test_counts_are_read_from_the_device_once_per_change():
    model, network = harp()
    reads = []
    rounding = network._rates.rounding
    network._rates.rounding = lambda *args: reads.append(1) or rounding(*args)
    x, _ = batch()
    with torch.no_grad():
        network.layers['fc'].logit.add_(0.1)
    for _ in range(3):
        model(x).sum().backward()
    with torch.no_grad():
        for layer in network.layers.values():
            layer.scores.mul_(1.5)
    model(x)
    assert reads == [1]


@pytest.mark.parametrize(
    'strategy, start', [('uniform', 0.3), ('erk', 0.3), ('lamp', 0.3), ('original', 0.9905)]
)
def test_first_rates_have_the_mean_asked_for(strategy, start):
    _, network = harp(strategy=strategy, start=None if strategy == 'original' else start)
    sizes = torch.tensor([w.numel() for w in network.weights().values()], dtype=torch.float64)
    found = network._rates.values().detach().double()
    mean = float((sizes * found).sum() / sizes.sum())
    assert mean == pytest.approx(start, abs=2e-3) and mean >= start - 1e-3
    assert found.min() > 0.02 and found.max() <= 1


def test_erk_and_lamp_by_hand():
    weights = {'a': torch.ones(2, 2), 'b': torch.ones(4, 4, 2, 2)}
    assert rates.STRATEGIES['erk'](weights, 0.1, 0.001)['a'] / rates.STRATEGIES['erk'](
        weights, 0.1, 0.001
    )['b'] == pytest.approx((4 / 4) / (12 / 64))
    weights = {'a': torch.tensor([[1.0, 2.0]]), 'b': torch.tensor([[10.0, 10.0, 10.0, 30.0]])}
    # LAMP scores: a 1/5, 1; b 1/12, 1/11, 1/10, 1; the upper half is 1, 1 and 1/5
    assert rates.STRATEGIES['lamp'](weights, 0.5, 0.001) == pytest.approx(
        {'a': 0.99, 'b': 0.255}, abs=2e-3
    )
