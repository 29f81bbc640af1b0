"""Tickets in random networks."""

import copy
import math

import pytest
import torch

from mmrobustprune.mask_search import RLTH, build_host
from tests.mask_search.nets import search, small


def test_weights_are_constants_with_random_signs_and_never_move():
    torch.manual_seed(3)
    state = torch.get_rng_state()
    model = small()
    torch.set_rng_state(state)
    network = RLTH(0.5, seed=4).attach(model)
    assert torch.equal(torch.get_rng_state(), state)
    for name, weight in network.weights().items():
        assert torch.equal(weight.abs().unique(), torch.tensor([math.sqrt(2 / weight[0].numel())]))
        assert 0.2 < (weight > 0).float().mean() < 0.8
        scores = network.layers[name].scores
        bound = 1 / math.sqrt(weight[0].numel())
        assert -bound <= scores.min() < -0.5 * bound and 0.5 * bound < scores.max() <= bound
    assert not model.fc.bias.any() and (model.bn.weight == 1).all() and not model.bn.bias.any()
    assert len(network.trained_parameters()) == len(network.layers)
    before = copy.deepcopy(model.state_dict())
    losses = search(model, network, 12)
    assert losses[-1] < losses[0]
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]) != (
            'scores' in name or 'running' in name or 'num_batches' in name
        ), name


def test_the_seed_decides():
    def weights(seed):
        return torch.cat(
            [w.flatten() for w in RLTH(0.5, seed=seed).attach(small(seed + 7)).weights().values()]
        )

    assert torch.equal(weights(1), weights(1)) and not torch.equal(weights(1), weights(2))


def test_other_weights_and_scores():
    model = small()
    network = RLTH(0.5, weights='kaiming_normal', scores_from='scaled', affine=True).attach(model)
    assert network.weights()['two.conv2'].std() == pytest.approx(math.sqrt(2 / 108), rel=0.1)
    assert (
        model.bn.weight.requires_grad
        and len(network.trained_parameters()) == len(network.layers) + 10
    )
    given = RLTH(0.5, weights='given').attach(small())
    assert torch.equal(given.weights()['fc'], small().fc.weight)


@pytest.mark.parametrize(
    'fields, words',
    [
        (
            dict(scores_from='scaled'),
            "weights='signed_constant'' are all of one size, so scores scaled from them order",
        ),
        (dict(weights='ones'), "weights='ones' is not allowed; choose 'signed_constant' or"),
        (dict(scores_from='w'), "scores_from='w' is not allowed"),
        (dict(scores='scaled'), "unknown field of host RLTH 'scores'.*did you mean 'scores_from'"),
        (dict(target=2), 'target=2 is not in'),
    ],
)
def test_mistakes_are_named(fields, words):
    with pytest.raises(ValueError, match=words):
        build_host(dict(dict(type='RLTH', target=0.5), **fields))
