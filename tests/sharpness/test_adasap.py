"""AdaSAP: radii by score, dead neurons, scopes, norms, state."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from mmrobustprune.dependency.groups import spread
from mmrobustprune.dependency.tracing import trace
from mmrobustprune.masks import MaskSet
from mmrobustprune.scores import Magnitude
from mmrobustprune.sharpness import ASAM, SAM, AdaSAP


def radii(rule, scores, alive=None, name='w.weight'):
    """Radii that a layer of these scores gets, seen through gradients of length 1 in all."""
    count = len(scores)
    rule.set_scores({name: torch.tensor(scores)}, alive and {name: torch.tensor(alive)})
    grads = {name: torch.full((count, 1), count**-0.5)}
    return (rule.offsets({name: torch.ones(count, 1)}, grads)[name] * count**0.5).flatten()


def flat(**fields):
    return AdaSAP(**{**dict(rho_min=0.1, rho_max=0.5, adaptive=False), **fields})


def test_the_least_important_neuron_gets_the_widest_ball():
    torch.testing.assert_close(radii(flat(), [1.0, 2.0, 5.0]), torch.tensor([0.5, 0.4, 0.1]))


def test_equal_scores_get_the_middle():
    torch.testing.assert_close(radii(flat(), [7.0, 7.0]), torch.tensor([0.3, 0.3]))


def test_dead_neurons_neither_move_nor_count():
    # without the 0 and the 9 the range is 2 .. 4
    moved = radii(flat(), [0.0, 2.0, 3.0, 4.0, 9.0], [False, True, True, True, False])
    torch.testing.assert_close(moved, torch.tensor([0.0, 0.5, 0.3, 0.1, 0.0]))


def test_a_layer_with_no_neuron_alive_stays():
    assert not radii(flat(), [1.0, 2.0], [False, False]).any()


def test_own_filter_norms_before_any_score_was_set():
    weights = {'w.weight': torch.tensor([[3.0, 4.0], [0.0, 0.0], [1.0, 0.0]])}  # norms 5, 0, 1
    grads = {'w.weight': torch.full((3, 2), 6**-0.5)}
    offsets = flat().offsets(weights, grads)['w.weight'] * 6**0.5
    torch.testing.assert_close(offsets, torch.tensor([[0.1, 0.1], [0.0, 0.0], [0.5, 0.5]]))


def test_layers_without_given_scores_use_their_filter_norms():
    rule = flat()
    rule.set_scores({'a.weight': torch.tensor([5.0, 1.0])})
    weights = {'a.weight': torch.ones(2, 1), 'b.weight': torch.tensor([[1.0], [2.0]])}
    offsets = rule.offsets(weights, {name: torch.full((2, 1), 0.5) for name in weights})
    torch.testing.assert_close(offsets['a.weight'].flatten() * 2, torch.tensor([0.1, 0.5]))
    torch.testing.assert_close(offsets['b.weight'].flatten() * 2, torch.tensor([0.5, 0.1]))


def test_scope_network_compares_all_layers_but_not_scores_with_norms():
    weights = {name: torch.tensor([[1.0], [2.0]]) for name in ('a.weight', 'b.weight', 'c.weight')}
    weights['c.weight'] = weights['c.weight'] * 100
    rule = flat(scope='network')
    rule.set_scores({'a.weight': torch.tensor([0.0, 1.0]), 'b.weight': torch.tensor([3.0, 4.0])})
    offsets = rule.offsets(weights, {name: torch.full((2, 1), 6**-0.5) for name in weights})
    moved = torch.cat([offsets[name].flatten() for name in weights]) * 6**0.5
    torch.testing.assert_close(moved, torch.tensor([0.5, 0.4, 0.2, 0.1, 0.5, 0.1]))


def test_scope_network_does_not_compare_scores_of_groups_with_those_of_single_filters():
    weights = {f'{name}.weight': torch.ones(2, 1) for name in 'abc'}
    scores = {
        'a.weight': torch.tensor([0.0, 4.0]),
        'b.weight': torch.tensor([100.0, 300.0]),
        'c.weight': torch.tensor([200.0, 100.0]),
    }
    grads = {name: torch.full((2, 1), 6**-0.5) for name in weights}
    rule = flat(scope='network')
    rule.set_scores(scores, single=['b.weight', 'c.weight'])
    for again in (False, True):  # and so does what a checkpoint brings back
        offsets = rule.offsets(weights, grads)
        moved = torch.cat([offsets[name].flatten() for name in weights]) * 6**0.5
        torch.testing.assert_close(moved, torch.tensor([0.5, 0.1, 0.5, 0.1, 0.3, 0.5]))
        state = rule.state_dict()
        rule = flat(scope='network')
        rule.load_state_dict(state)
        assert state['single'] == ['b.weight', 'c.weight'], again


def test_layers_that_no_mask_reaches_are_scored_by_single_filters():
    scores = {f'{name}.weight': torch.tensor([0.0, 1.0]) for name in 'abc'}
    alive = {name: torch.ones(2, dtype=torch.bool) for name in ('a.weight', 'b.weight')}
    rule = AdaSAP(scope='network')
    rule.set_scores(scores, alive)
    assert rule.state_dict()['single'] == ['c.weight']
    rule.set_scores(scores, alive, single=())
    assert rule.state_dict()['single'] == []
    rule.set_scores(scores)
    assert rule.state_dict()['single'] == []


def test_equal_radii_are_sam_and_asam():
    weights = {'a.weight': torch.randn(4, 3, 2, 2), 'b.weight': torch.randn(2, 4)}
    grads = {name: torch.randn_like(w) for name, w in weights.items()}
    weights['a.bias'] = torch.randn(4)
    grads['a.bias'] = torch.randn(4)
    for params in ('weight', 'all'):
        for adaptive, kind in ((False, SAM), (True, ASAM)):
            rule = AdaSAP(rho_min=0.7, rho_max=0.7, adaptive=adaptive, params=params)
            offsets = rule.offsets(weights, grads)
            expected = kind(rho=0.7, params=params).offsets(weights, grads)
            assert offsets.keys() == expected.keys()
            for name in expected:
                torch.testing.assert_close(offsets[name], expected[name])


def test_norm_of_each_neuron():
    """Every neuron moves by its own radius over the square root of their number."""
    rule = flat(norm='neuron')
    rule.set_scores({'a.weight': torch.tensor([1.0, 2.0])})
    grads = {'a.weight': torch.tensor([[3.0, 4.0], [0.0, 100.0]])}
    offsets = rule.offsets({'a.weight': torch.ones(2, 2)}, grads)['a.weight']
    torch.testing.assert_close(offsets.norm(dim=1) * 2**0.5, torch.tensor([0.5, 0.1]))


@pytest.mark.parametrize('adaptive', [False, True])
def test_its_own_norm_makes_the_radius_literal(adaptive):
    """||T^-1 e_i|| is rho_i, whatever the others' gradients are."""
    rule = flat(norm='own', adaptive=adaptive)
    rule.set_scores({'a.weight': torch.tensor([1.0, 2.0, 5.0])})
    weights = torch.tensor([[1.0, -2.0], [0.5, 4.0], [3.0, 1.0]])
    grads = {'a.weight': torch.tensor([[3.0, 4.0], [0.0, 100.0], [1e-3, 1e-3]])}
    offsets = rule.offsets({'a.weight': weights}, grads)['a.weight']
    lengths = (offsets / (weights.abs() + rule.eta) if adaptive else offsets).norm(dim=1)
    torch.testing.assert_close(lengths, torch.tensor([0.5, 0.4, 0.1]))


def test_norm_of_each_neuron_spares_the_others_of_one_that_is_no_number():
    grads = {'a.weight': torch.tensor([[float('nan'), 1.0], [0.0, 1.0]])}
    offsets = flat(norm='neuron').offsets({'a.weight': torch.rand(2, 2)}, grads)['a.weight']
    assert not offsets[0].any() and offsets[1, 1] > 0


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 1e3), min_size=2, max_size=8), st.floats(0, 1), st.floats(0, 1))
def test_radii_fall_with_the_score_between_the_two_ends(scores, a, b):
    low, high = sorted((a, b))
    moved = radii(flat(rho_min=low, rho_max=high), scores)
    ordered = moved[torch.tensor(scores).argsort()]
    assert (ordered.diff() <= 1e-6).all()
    assert low - 1e-5 <= moved.min() and moved.max() <= high + 1e-5
    if torch.tensor(scores).unique().numel() > 1:
        torch.testing.assert_close(moved.max(), torch.tensor(high), atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(moved.min(), torch.tensor(low), atol=1e-5, rtol=1e-4)


@settings(max_examples=20, deadline=None)
@given(st.floats(1e-6, 1e6), st.sampled_from(['global', 'neuron', 'own']), st.booleans())
def test_the_length_of_the_gradient_does_not_matter(c, norm, adaptive):
    weights = {'a.weight': torch.linspace(-1, 1, 12).double().reshape(4, 3)}
    grads = {'a.weight': torch.linspace(-2, 3, 12).double().reshape(4, 3)}
    rule = AdaSAP(norm=norm, adaptive=adaptive)
    torch.testing.assert_close(
        rule.offsets(weights, {'a.weight': c * grads['a.weight']})['a.weight'],
        rule.offsets(weights, grads)['a.weight'],
    )


def test_a_resumed_rule_has_the_same_radii():
    weights, grads = {'a.weight': torch.randn(3, 2)}, {'a.weight': torch.randn(3, 2)}
    rule = AdaSAP()
    rule.set_scores(
        {'a.weight': torch.tensor([3.0, 1.0, 2.0])}, {'a.weight': torch.tensor([True, True, False])}
    )
    resumed = AdaSAP()
    resumed.load_state_dict(rule.state_dict())
    assert torch.equal(
        rule.offsets(weights, grads)['a.weight'], resumed.offsets(weights, grads)['a.weight']
    )
    assert SAM().state_dict() == {}


def test_scores_are_copied():
    scores = torch.tensor([1.0, 2.0])
    rule = flat()
    rule.set_scores({'w.weight': scores})
    scores.zero_()
    assert rule.state_dict()['scores']['w.weight'].tolist() == [1.0, 2.0]


def test_biases_have_radii_too_when_all_parameters_move():
    weights = {'a.weight': torch.randn(3, 2), 'a.bias': torch.randn(3), 'scale': torch.tensor(2.0)}
    grads = {name: torch.ones_like(weight) for name, weight in weights.items()}
    offsets = AdaSAP(params='all').offsets(weights, grads)
    assert {name: offsets[name].shape for name in offsets} == {n: weights[n].shape for n in weights}


@pytest.mark.parametrize(
    'fields, words',
    [
        (dict(rho_min=3.0), 'rho_min=3.0 is larger than rho_max=2.0'),
        (dict(rho_max=-1.0), 'rho_max=-1.0 is not a finite number'),
        (dict(scope='model'), "'layer' or 'network'"),
        (dict(norm='filter'), "'global' or 'neuron' or 'own'"),
    ],
)
def test_bad_fields_are_refused(fields, words):
    with pytest.raises(ValueError, match=words):
        AdaSAP(**fields)


def test_bad_scores_are_refused():
    weights, grads = {'a.weight': torch.ones(3, 2)}, {'a.weight': torch.ones(3, 2)}
    rule = AdaSAP()
    with pytest.raises(ValueError, match='not finite'):
        rule.set_scores({'a.weight': torch.tensor([1.0, float('nan'), 2.0])})
    with pytest.raises(ValueError, match='one entry per output'):
        rule.set_scores({'a.weight': torch.ones(3)}, {'a.weight': torch.ones(2, dtype=torch.bool)})
    rule.set_scores({'a.weight': torch.ones(2)})
    with pytest.raises(ValueError, match='set the scores again after a removal'):
        rule.offsets(weights, grads)
    rule.set_scores({'b.weight': torch.ones(3)})
    with pytest.raises(ValueError, match='no parameter of the network'):
        rule.offsets(weights, grads)


def test_a_masked_network_tells_groups_from_single_filters():
    """Magnitudes of groups also count what the next layers read; those of the head do not."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Conv2d(4, 5, 1))
    found = trace(model, torch.randn(1, 3, 4, 4))
    score = Magnitude()
    units = spread(score(model, found.groups), found.groups, {'0': 4})
    scores = score.filters(model, found.groups) | units
    alive = MaskSet(model, found.groups).filters()
    rule = flat(scope='network')
    rule.set_scores(
        {f'{layer}.weight': value for layer, value in scores.items()},
        {f'{layer}.weight': value for layer, value in alive.items()},
    )
    assert rule.state_dict()['single'] == ['2.weight']
    params = {name: p.detach() for name, p in model.named_parameters()}
    lengths = []
    grads = {name: torch.ones_like(p) for name, p in params.items()}
    for offset in rule.offsets(params, grads).values():
        lengths.append(offset.flatten(1)[:, 0] * 32**0.5)  # 12 and 20 gradients of 1
    for radii_of_layer in lengths:  # each reaches both ends
        torch.testing.assert_close(radii_of_layer.min(), torch.tensor(0.1))
        torch.testing.assert_close(radii_of_layer.max(), torch.tensor(0.5))
