"""SAM, ASAM and AWP: written-out answers, invariants, bad fields."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrobustprune.sharpness import ASAM, AWP, SAM, AdaSAP

W = {
    'a.weight': torch.tensor([[3.0, 0.0], [0.0, -4.0]]),
    'b.weight': torch.tensor([[2.0]]),
    'a.bias': torch.tensor([1.0, 1.0]),
}
G = {
    'a.weight': torch.tensor([[0.0, 3.0], [0.0, 0.0]]),
    'b.weight': torch.tensor([[4.0]]),
    'a.bias': torch.tensor([5.0, 5.0]),
}


def network(seed):
    """Weights and gradients of a small random network, double precision."""
    draw = torch.Generator().manual_seed(seed)
    shapes = {'c.weight': (4, 3, 2, 2), 'l.weight': (3, 5)}
    weights, grads = (
        {k: torch.randn(s, generator=draw, dtype=torch.float64) for k, s in shapes.items()}
        for _ in range(2)
    )
    return weights, grads


def same(a, b, **tolerance):
    assert a.keys() == b.keys()
    for name in a:
        torch.testing.assert_close(a[name], b[name], **tolerance)


def test_sam_is_rho_times_the_unit_gradient():
    same(
        SAM(rho=0.5, params='weight').offsets(W, G),
        {'a.weight': torch.tensor([[0.0, 0.3], [0.0, 0.0]]), 'b.weight': torch.tensor([[0.4]])},
    )


def test_sam_as_published_moves_every_parameter():
    # ||g|| = sqrt(9 + 16 + 25 + 25) = sqrt(75)
    rho = 75**0.5 / 10
    expected = {name: gradient / 10 for name, gradient in G.items()}
    same(SAM(rho=rho).offsets(W, G), expected)


def test_asam_weighs_by_the_square_of_the_weight():
    # T g = (3 * 0, 0 * 3, .., 2 * 4): norm 8, so e_b = 0.5 * 2 * 8 / 8
    offsets = ASAM(rho=0.5, eta=0.0, params='weight').offsets(W, G)
    same(offsets, {'a.weight': torch.zeros(2, 2), 'b.weight': torch.tensor([[1.0]])})


def test_asam_as_published_scales_weights_and_moves_biases_as_sam_does():
    # T g = 8 in b.weight and 5, 5 in a.bias, whose T is 1, whatever their values: norm sqrt(114)
    weights = W | {'a.bias': torch.tensor([7.0, -9.0])}
    offsets = ASAM(rho=114**0.5, eta=0.0).offsets(weights, G)
    same(
        offsets,
        {
            'a.weight': torch.zeros(2, 2),
            'b.weight': torch.tensor([[16.0]]),
            'a.bias': torch.tensor([5.0, 5.0]),
        },
    )


def test_asam_scales_the_weights_of_normalisations_too():
    weights = {'bn.weight': torch.tensor([0.5, 2.0]), 'bn.bias': torch.tensor([0.0, 3.0])}
    grads = {'bn.weight': torch.tensor([2.0, 1.0]), 'bn.bias': torch.tensor([2.0, 0.0])}
    # T = .5, 2 with eta 0: T g = 1, 2 and 2, 0, norm 3; e = rho T^2 g / 3
    same(
        ASAM(rho=3.0, eta=0.0).offsets(weights, grads),
        {'bn.weight': torch.tensor([0.5, 4.0]), 'bn.bias': torch.tensor([2.0, 0.0])},
    )


def test_awp_is_relative_to_each_layer():
    same(
        AWP(gamma=0.1).offsets(W, G),
        {'a.weight': torch.tensor([[0.0, 0.5], [0.0, 0.0]]), 'b.weight': torch.tensor([[0.2]])},
    )


def test_which_parameters_move():
    assert set(SAM().offsets(W, G)) == set(ASAM().offsets(W, G)) == set(W)
    assert set(AWP().offsets(W, G)) == set(AdaSAP().offsets(W, G)) == {'a.weight', 'b.weight'}
    assert set(SAM(params=('a.*',)).offsets(W, G)) == {'a.weight', 'a.bias'}
    assert set(SAM(params='weight').offsets(W, {**G, 'b.weight': None})) == {'a.weight'}
    assert SAM().offsets(W, {}) == {}
    with pytest.raises(ValueError, match="'head.*', which matches no parameter"):
        SAM(params=('head.*',)).offsets(W, G)


def test_norms_of_half_precision_are_taken_in_float32():
    grads = {'w.weight': torch.full((64, 64), 300.0, dtype=torch.float16)}  # squares overflow fp16
    offset = SAM(rho=1.0).offsets({'w.weight': torch.ones(64, 64, dtype=torch.float16)}, grads)
    torch.testing.assert_close(offset['w.weight'], torch.full((64, 64), 1 / 64))


@pytest.mark.parametrize('rule', [SAM(), ASAM(), AWP()])
@pytest.mark.parametrize('bad', [float('inf'), float('nan')])
def test_gradients_that_are_no_numbers_move_nothing(rule, bad):
    weights, grads = network(0)
    grads['c.weight'][0, 0, 0, 0] = bad
    assert not rule.offsets(weights, grads)['c.weight'].any()


@pytest.mark.parametrize('rule', [SAM(), ASAM(), AWP()])
def test_zero_gradient_moves_nothing(rule):
    weights, grads = network(0)
    offsets = rule.offsets(weights, {name: torch.zeros_like(g) for name, g in grads.items()})
    assert not any(offset.any() for offset in offsets.values())


def test_gradients_are_kept_unless_their_memory_is_given_away():
    weights, grads = network(1)
    before = {name: grad.clone() for name, grad in grads.items()}
    offsets = ASAM().offsets(weights, grads)
    same(grads, before, rtol=0, atol=0)
    reused = ASAM().offsets(weights, grads, reuse=True)
    same(reused, offsets, rtol=0, atol=0)
    assert all(reused[name].data_ptr() == grads[name].data_ptr() for name in grads)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 999), st.floats(1e-6, 1e6))
@pytest.mark.parametrize('rule', [SAM(), ASAM(), AWP()])
def test_the_length_of_the_gradient_does_not_matter(rule, seed, c):
    weights, grads = network(seed)
    same(
        rule.offsets(weights, {name: c * grad for name, grad in grads.items()}),
        rule.offsets(weights, grads),
        rtol=1e-9,
        atol=0,
    )


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 999), st.floats(0, 3))
def test_sam_has_length_rho_and_asam_relative_length_rho(seed, rho):
    weights, grads = network(seed)
    offsets = SAM(rho=rho).offsets(weights, grads)
    relative = ASAM(rho=rho, eta=0.0).offsets(weights, grads)
    length = torch.cat([e.flatten() for e in offsets.values()]).norm()
    ratio = torch.cat([(e / weights[name]).flatten() for name, e in relative.items()]).norm()
    torch.testing.assert_close(torch.stack([length, ratio]), torch.full((2,), rho).double())


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 999), st.floats(0.01, 100))
def test_asam_does_not_see_a_rescaled_layer(seed, c):
    """Scaling one layer by c and the next by 1/c leaves the network, hence the relative change."""
    weights, grads = network(seed)
    factors = dict(zip(weights, (c, 1 / c), strict=True))
    rule = ASAM(eta=0.0)
    moved = rule.offsets(
        {name: factors[name] * w for name, w in weights.items()},
        {name: g / factors[name] for name, g in grads.items()},
    )
    same(
        {name: e / factors[name] for name, e in moved.items()},
        rule.offsets(weights, grads),
        rtol=1e-9,
        atol=0,
    )


@pytest.mark.parametrize(
    'make',
    [
        lambda: SAM(rho=-1.0),
        lambda: SAM(rho=float('nan')),
        lambda: ASAM(eta=-0.1),
        lambda: AWP(gamma='big'),
        lambda: SAM(params='bias'),
    ],
)
def test_bad_fields_are_refused(make):
    with pytest.raises(ValueError, match='is not'):
        make()
