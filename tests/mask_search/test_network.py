"""A scored network: what moves, what does not, and the way back to plain weights."""

import copy
import math

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from mmrobustprune.mask_search import HYDRA, ScoredNetwork, kept_masks, make_plain
from tests.mask_search.nets import LAYERS, Small, batch, search, small


def scored(**fields):
    model = small()
    return model, HYDRA(**dict(dict(target=0.9), **fields)).attach(model)


def test_every_layer_starts_as_magnitude_pruning_of_its_own():
    model, network = scored()
    dense = small()
    assert list(network.layers) == LAYERS
    for name, mask in network.masks().items():
        weight = dense.get_submodule(name).weight
        scores = network.layers[name].scores
        torch.testing.assert_close(
            scores, weight * math.sqrt(6 / weight[0].numel()) / weight.abs().max()
        )
        assert mask.sum() == weight.numel() - int(0.9 * weight.numel()) == network.kept()[name]
        assert weight[mask].abs().min() >= weight[~mask].abs().max()
        assert torch.equal(model.get_submodule(name).weight, weight * mask)
    assert network.ratio() == 1 - sum(network.kept().values()) / sum(
        dense.get_submodule(n).weight.numel() for n in LAYERS
    )
    assert network.meets_target() and network.rates()['fc'] == 5 / 48


def test_a_search_moves_scores_and_normalisations_only():
    model, network = scored(target=0.7)
    before, masks = copy.deepcopy(model.state_dict()), network.masks()
    losses = search(model, network, 8)
    assert losses[-1] < losses[0]
    for name, value in model.state_dict().items():
        moving = 'scores' in name or 'bn' in name
        assert torch.equal(value, before[name]) != moving, name
    assert any(not torch.equal(mask, masks[name]) for name, mask in network.masks().items())


def test_normalisations_can_stand_still():
    model, network = scored(freeze_bn=True)
    assert all(p.dim() > 1 for p in network.trained_parameters())
    assert len(network.trained_parameters()) == len(network.score_parameters()) == len(LAYERS)
    model, network = scored()
    assert len(network.trained_parameters()) == len(LAYERS) + 10


def test_pruned_weights_stay_exactly_zero_in_fine_tuning():
    model, network = scored()
    search(model, network)
    masks = network.masks()
    model.eval()
    x, y = batch()
    expected = model(x)
    network.bake()
    assert torch.equal(model(x), expected) and all(p.requires_grad for p in model.parameters())
    assert not any('scores' in name for name in model.state_dict())
    assert {name: mask.tolist() for name, mask in kept_masks(model).items()} == {
        n: m.tolist() for n, m in masks.items()
    }
    optimizer = torch.optim.SGD(
        model.parameters(), 0.1, momentum=0.9, weight_decay=0.1, nesterov=True
    )
    model.train()
    before = copy.deepcopy(model.state_dict())
    for _ in range(4):
        optimizer.zero_grad()
        cross_entropy(model(x), y).backward()
        optimizer.step()
    for name, mask in masks.items():
        weight = model.get_submodule(name).parametrizations.weight.original
        assert not weight[~mask].any() and weight[mask].all()
        assert not torch.equal(weight, before[f'{name}.parametrizations.weight.original'])


def test_weights_may_stay_hidden_behind_the_mask():
    model, network = scored()
    network.bake(zero=False)
    assert torch.equal(model.fc.parametrizations.weight.original, small().fc.weight)
    assert (model.fc.weight == 0).sum() == 43


def test_plain_state_loads_into_the_plain_network():
    for bake in (False, True):
        model, network = scored()
        if bake:
            network.bake(zero=False)
        plain = Small()
        assert plain.load_state_dict(ScoredNetwork.plain_state(model)) is not None
        assert set(ScoredNetwork.plain_state(model)) == set(plain.state_dict())
        x, _ = batch()
        assert torch.equal(plain.eval()(x), model.eval()(x))
        assert torch.equal(make_plain(model)(x), plain(x)) and type(model.fc) is nn.Linear
        assert set(model.state_dict()) == set(plain.state_dict())


def test_a_killed_search_goes_on_to_the_same_mask():
    def run(model, network, optimizer, numbers):
        for number in numbers:
            x, y = batch(number)
            optimizer.zero_grad()
            cross_entropy(model(x), y).backward()
            optimizer.step()

    def sgd(network):
        return torch.optim.SGD(network.trained_parameters(), 0.1, momentum=0.9)

    model, whole = scored(target=0.7)
    optimizer = sgd(whole)
    run(model, whole, optimizer, range(2))
    saved = copy.deepcopy((model.state_dict(), optimizer.state_dict(), whole.state_dict()))
    run(model, whole, optimizer, range(2, 5))
    other = small(seed=9)
    resumed = HYDRA(target=0.7).attach(other)
    resumed.masks()
    other.load_state_dict(saved[0])
    resumed.load_state_dict(saved[2])
    optimizer = sgd(resumed)
    optimizer.load_state_dict(saved[1])
    run(other, resumed, optimizer, range(2, 5))
    for name, mask in resumed.masks().items():
        assert torch.equal(mask, whole.masks()[name])
    assert all(
        torch.equal(a, b)
        for a, b in zip(model.state_dict().values(), other.state_dict().values(), strict=True)
    )


def test_non_square_layers_and_the_model_being_one_layer():
    layer = nn.Linear(10, 3)
    network = HYDRA(0.5).attach(layer)
    assert (
        network.kept() == {'': 15}
        and ScoredNetwork.plain_state(layer)['weight'].count_nonzero() == 15
    )
    network.bake()
    assert layer.weight.count_nonzero() == 15


@pytest.mark.parametrize('target', [0, 1, -0.1, 1.5, float('nan'), '0.9', None])
def test_targets_outside_0_1_are_refused(target):
    with pytest.raises(ValueError, match=r'is not in \(0, 1\); give the fraction'):
        HYDRA(target)


def test_scores_that_are_not_finite_choose_nothing():
    _, network = scored()
    with torch.no_grad():
        network.layers['fc'].scores[0, 0] = float('nan')
    with pytest.raises(ValueError, match="scores of 'fc' are infinite or NaN"):
        network.masks()


@pytest.mark.parametrize('baked', [False, True])
def test_a_plain_copy_leaves_the_original_as_it_was(baked):
    model, network = scored()
    if baked:
        network.bake()
    x, expected = batch()[0], None
    for one in (model, make_plain(copy.deepcopy(model)), model, copy.deepcopy(model)):
        found = one.eval()(x)
        expected = found if expected is None else expected
        assert torch.equal(found, expected)
    assert kept_masks(model).keys() == (
        set(dict(model.named_modules()))
        & {'stem', 'one.conv1', 'one.conv2', 'two.conv1', 'two.conv2', 'two.short', 'fc'}
        if baked
        else set()
    )


def test_scores_in_place_of_others_choose_another_mask():
    """A new tensor counts its versions from 0 again."""
    model, network = scored()
    other = HYDRA(network.target).attach(small(7))
    x = batch()[0]
    model.eval(), other.model.eval()
    before, expected = model(x), other.model(x)
    assert torch.equal(torch.func.functional_call(model, other.model.state_dict(), x), expected)
    assert torch.equal(model(x), before)
    model.load_state_dict(other.model.state_dict(), assign=True)
    assert torch.equal(model(x), expected)
