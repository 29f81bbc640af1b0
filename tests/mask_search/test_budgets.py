"""What rates cost."""

import torch

from tests.mask_search.nets import harp


def test_flops_by_hand():
    model, network = harp(0.5, form='channel', strategy='original')
    dense = [
        64 * 8 * 55,
        64 * 8 * 145,
        64 * 8 * 145,
        16 * 12 * 145,
        16 * 12 * 217,
        16 * 12 * 17,
        1 * 4 * 25,
    ]
    budget = network._form.budget
    assert float(budget(torch.ones(6))) == sum(dense)
    half = [
        64 * 4 * 55,
        64 * 4 * 73,
        64 * 4 * 73,
        16 * 6 * 73,
        16 * 6 * 109,
        16 * 6 * 9,
        1 * 4 * 13,
    ]
    assert network._form.allowed == sum(half)
    assert float(network.excess().detach()) > 2 and not network.meets_target()
    with torch.no_grad():
        network.layers['two.conv1'].logit.fill_(-60)  # k_min = 0.05 rounds to no channel of 8
    assert network.rates()['two.conv1'] == 1 / 8 == network.rates()['two.short']
