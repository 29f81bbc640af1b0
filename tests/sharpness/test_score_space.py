"""Perturbed scores while a mask is searched, perturbed survivors afterwards."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from mmrobustprune.mask_search import HARP, HYDRA
from mmrobustprune.sharpness import AWP, S2AP, MaskedAWP, build_rule, two_pass_step
from tests.mask_search.nets import batch, small

A, B = 'a.parametrizations.weight.0.scores', 'b.parametrizations.weight.0.scores'


def scores():
    return {
        A: torch.tensor([[3.0, 4.0]]),
        B: torch.tensor([1.0, 0.0, 0.0]),
        'a.bias': torch.ones(2),
    }


def grads():
    return {
        A: torch.tensor([[0.0, 2.0]]),
        B: torch.tensor([-1.0, 0.0, 2.0]),
        'a.bias': torch.ones(2),
    }


def close(offset, expected):
    return torch.allclose(offset, torch.tensor(expected))


def test_equality_by_layer():
    z = S2AP(gamma=0.1).offsets(scores(), grads())
    assert set(z) == {A, B}
    assert close(z[A], [[0.0, 0.5]]) and close(z[B], [-0.1 / 5**0.5, 0.0, 0.2 / 5**0.5])
    assert all(
        torch.allclose(z[name], value)
        for name, value in AWP(gamma=0.1, params=['*.scores']).offsets(scores(), grads()).items()
    )


def test_a_ball_shrinks_only_what_is_too_long():
    z = S2AP(gamma=0.1, bound='ball', step=0.3).offsets(scores(), grads())
    assert close(z[A], [[0.0, 0.3]])  # 0.3 < 0.1 * 5
    assert close(z[B], [-0.1 / 5**0.5, 0.0, 0.2 / 5**0.5])  # 0.3 > 0.1 * 1


def test_the_norm_of_the_network_divides_the_step():
    z = S2AP(gamma=1.0, bound='ball', norm='network', step=0.3).offsets(scores(), grads())
    assert close(z[A], [[0.0, 0.3 * 2 / 3]]) and close(z[B], [-0.1, 0.0, 0.2])  # ||g|| = 3


def test_z_can_be_carried_from_batch_to_batch_and_over_a_resume():
    rule = S2AP(gamma=0.1, bound='ball', step=0.3, carry=True)
    rule.offsets(scores(), grads(), reuse=True)
    saved = copy.deepcopy(rule.state_dict())
    resumed = S2AP(gamma=0.1, bound='ball', step=0.3, carry=True)
    resumed.load_state_dict(saved)
    for now in (rule, resumed):
        z = now.offsets(scores(), {A: torch.tensor([[1.0, 0.0]])}, reuse=True)
        assert close(z[A], [[0.3, 0.3]])  # length 0.42 < 0.5
        z = now.offsets(scores(), {A: torch.tensor([[1.0, 0.0]])}, reuse=True)
        assert close(z[A], [[1.0 / 5**0.5, 0.5 / 5**0.5]])  # (0.6, 0.3) shrunk to 0.5
    assert set(saved['z']) == {A, B} and S2AP().state_dict() == {}
    equal = S2AP(gamma=0.1, step=0.3, carry=True)
    for _ in range(2):
        assert equal.offsets(scores(), grads())[A].norm() == pytest.approx(0.5)


def test_further_steps_on_a_batch_begin_where_the_last_ended_and_the_next_batch_at_zero():
    rule = S2AP(gamma=0.1, bound='ball', step='schedule', inner_steps=2)
    with pytest.raises(ValueError, match='is the learning rate, and nothing told it; call'):
        rule.offsets(scores(), grads())
    rule.follow(0.3)
    along = {A: torch.tensor([[1.0, 0.0]])}
    for _ in range(2):
        rule.begin()
        assert close(rule.offsets(scores(), grads())[A], [[0.0, 0.3]])
        assert close(rule.offsets(scores(), along)[A], [[0.3, 0.3]])
    rule.begin()
    rule.follow(0.1)
    assert close(rule.offsets(scores(), grads())[A], [[0.0, 0.1]]) and rule.state_dict() == {}


def test_gamma_0_and_broken_gradients_move_nothing():
    for bound in ('equality', 'ball'):
        z = S2AP(gamma=0.0, bound=bound).offsets(scores(), grads())
        assert not z[A].any() and not z[B].any()
        broken = {A: torch.tensor([[float('inf'), 1.0]]), B: torch.zeros(3)}
        z = S2AP(bound=bound).offsets(scores(), broken)
        assert not z[A].any() and not z[B].any()


@pytest.mark.parametrize(
    'fields, words',
    [
        (dict(gamma=-1), 'gamma=-1 is not a finite number'),
        (dict(bound='box'), "choose 'equality' or 'ball'"),
        (dict(norm='global'), "choose 'layer' or 'network'"),
        (dict(step=0), 'step=0 never leaves'),
        (dict(step='lr'), "step='lr' is not a finite number"),
        (dict(inner_steps=0), 'inner_steps=0 is no whole number >= 1'),
        (dict(norm='network'), "norm='network' cancels under bound='equality'"),
    ],
)
def test_fields_out_of_range(fields, words):
    with pytest.raises(ValueError, match=words):
        build_rule(dict(type='S2AP', **fields))


def test_a_network_without_scores_is_named():
    with pytest.raises(ValueError, match=r"params names '\*.scores', which matches no parameter"):
        S2AP().offsets({'w': torch.ones(2)}, {'w': torch.ones(2)})


# --- in a search ----------------------------------------------------------------------------------


def search(host, rule, steps=3, lr=0.1, extra=None):
    """A few two-pass steps; the model, its network and the scores seen by each forward pass."""
    model = small()
    network = host.attach(model)
    groups = [dict(params=network.trained_parameters())] + (
        [] if extra is None else [extra(network)]
    )
    optimizer = torch.optim.SGD(groups, lr, momentum=0.9, weight_decay=5e-4)
    seen = []
    x, y = batch()

    def closure():
        seen.append([s.detach().clone() for s in network.score_parameters()])
        loss, penalty = cross_entropy(model(x), y), network.penalty()
        return loss if penalty is None else loss + penalty

    for _ in range(steps):
        two_pass_step(model, optimizer, rule, closure)
    return model, network, seen


def same(a, b):
    a, b = a.state_dict(), b.state_dict()
    return a.keys() == b.keys() and all(torch.equal(value, b[name]) for name, value in a.items())


HOSTS = [HYDRA(0.8), HARP(0.8), HARP(0.5, form='channel', input_shape=(3, 8, 8))]


@pytest.mark.parametrize(
    'host', HOSTS, ids=lambda host: type(host).__name__ + getattr(host, 'form', '')
)
def test_gamma_0_is_the_host_bit_by_bit(host):
    plain, _, _ = search(host, None)
    for rule in (S2AP(gamma=0.0), S2AP(gamma=0.0, bound='ball', carry=True)):
        assert same(search(host, rule)[0], plain)
    assert not same(search(host, S2AP(gamma=0.3))[0], plain)


@pytest.mark.parametrize(
    'host', HOSTS, ids=lambda host: type(host).__name__ + getattr(host, 'form', '')
)
def test_scores_are_moved_by_gamma_and_come_back_exactly(host):
    model, network, seen = search(host, S2AP(gamma=0.01), steps=1, lr=0.0)
    for before, moved, after in zip(*seen, network.score_parameters(), strict=True):
        assert torch.equal(before, after) and not torch.equal(before, moved)
        assert float((moved - before).norm() / before.norm()) == pytest.approx(0.01, rel=1e-3)
    dense = small()
    for name, weight in network.weights().items():
        assert torch.equal(weight, dense.get_submodule(name).weight)


def test_the_second_pass_sees_another_mask_and_the_first_comes_back(monkeypatch):
    model = small()
    network = HYDRA(0.5).attach(model)
    start, masks = network.masks(), []
    optimizer = torch.optim.SGD(network.trained_parameters(), 0.0)
    x, y = batch()

    def closure():
        loss = cross_entropy(model(x), y)
        masks.append(network.masks())
        return loss

    two_pass_step(model, optimizer, S2AP(gamma=0.5), closure)
    assert all(torch.equal(masks[0][name], start[name]) for name in start)
    assert any(not torch.equal(masks[1][name], start[name]) for name in start)
    assert all(torch.equal(mask, start[name]) for name, mask in network.masks().items())


@pytest.mark.parametrize(
    'rule',
    [AWP(gamma=0.05, params=['*.weight.original']), MaskedAWP(gamma=0.05)],
    ids=lambda rule: type(rule).__name__,
)
def test_weights_can_be_perturbed_in_place_of_scores_and_stay(rule):
    host = HYDRA(0.8)
    plain, _, _ = search(host, None)
    model, network, seen = search(host, rule, extra=lambda network: network.climbable_weights())
    dense = small()
    for name, weight in network.weights().items():
        assert torch.equal(weight, dense.get_submodule(name).weight)
    assert all(
        torch.equal(a, b) for a, b in zip(seen[0], seen[1], strict=True)
    )  # scores do not climb
    assert not same(model, plain)


# --- fine-tuning ----------------------------------------------------------------------------------


def test_the_radius_is_that_of_the_kept_weights():
    name = 'a.parametrizations.weight.original'
    weight, grad = {name: torch.tensor([3.0, 4.0, 12.0])}, {name: torch.tensor([0.0, 1.0, 5.0])}
    mask = torch.tensor([True, True, False])
    for key in ('a', name):
        rule = MaskedAWP(gamma=0.1)
        rule.set_masks({key: mask})
        assert close(rule.offsets(weight, grad)[name], [0.0, 0.5, 0.0])
    rule = MaskedAWP(gamma=0.1, norm='dense')
    rule.load_state_dict(MaskedAWP().state_dict() | dict(masks={'a': mask}))
    assert close(rule.offsets(weight, grad)[name], [0.0, 1.3, 0.0])
    zeroed = {name: weight[name] * mask}
    for norm in ('kept', 'dense'):
        assert close(MaskedAWP(gamma=0.1, norm=norm).offsets(zeroed, grad)[name], [0.0, 0.5, 0.0])
    rule = MaskedAWP()
    rule.set_masks({'a': mask[:2]})
    with pytest.raises(ValueError, match='mask of .* has shape .2,. and the weight .3,.'):
        rule.offsets(weight, grad)


@pytest.mark.parametrize('zero', [True, False])
def test_survivors_are_perturbed_and_pruned_weights_are_not(zero):
    model = small()
    network = HYDRA(0.8).attach(model)
    masks = network.masks()
    network.bake(zero=zero)
    rule, seen = MaskedAWP(gamma=0.01), []
    if not zero:
        rule.set_masks(masks)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, weight_decay=1e-2)
    x, y = batch()

    def closure():
        seen.append(
            {
                n: model.get_submodule(n).parametrizations.weight.original.detach().clone()
                for n in masks
            }
        )
        return cross_entropy(model(x), y)

    for _ in range(3):
        two_pass_step(model, optimizer, rule, closure)
    for name, mask in masks.items():
        offset = seen[1][name] - seen[0][name]
        assert not offset[~mask].any()
        assert float(offset.norm() / seen[0][name][mask].norm()) == pytest.approx(0.01, rel=1e-3)
        last = model.get_submodule(name).parametrizations.weight.original
        assert bool(last[~mask].any()) != zero


def test_gamma_0_is_plain_fine_tuning():
    ends = []
    for rule in (None, MaskedAWP(gamma=0.0)):
        model = small()
        HYDRA(0.8).attach(model).bake()
        optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, weight_decay=1e-2)
        x, y = batch()
        for _ in range(3):
            two_pass_step(model, optimizer, rule, lambda: cross_entropy(model(x), y))  # noqa: B023
        ends.append(model)
    assert same(*ends)


def test_plain_layers_are_not_what_masked_awp_is_for():
    with pytest.raises(ValueError, match=r"'\*.weight.original', which matches no parameter"):
        two_pass_step(
            layer := nn.Linear(2, 2),
            torch.optim.SGD(layer.parameters(), 0.1),
            MaskedAWP(),
            lambda: layer(torch.ones(1, 2)).sum(),
        )
