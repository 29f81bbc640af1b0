"""lambda_max against spectra that are known and against the whole Hessian."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from mmrobustprune.analysis import lambda_max
from mmrobustprune.mask_search import straight_through


def quadratic(*eigenvalues, seed=0):
    """x'Ax / 2 at a random x in two tensors; A has the given spectrum and no axis of its own."""
    generator = torch.Generator().manual_seed(seed)
    size = len(eigenvalues)
    turn, _ = torch.linalg.qr(torch.randn(size, size, generator=generator, dtype=torch.float64))
    matrix = turn @ torch.diag(torch.tensor(eigenvalues, dtype=torch.float64)) @ turn.T
    params = [
        torch.randn(part, generator=generator, dtype=torch.float64, requires_grad=True)
        for part in (size // 2, size - size // 2)
    ]

    def loss():
        x = torch.cat(params)
        return x @ matrix @ x / 2 + x.sum()

    return loss, params


@pytest.mark.parametrize(
    'spectrum, top',
    [
        ((5, 2, 1, -1), 5),
        ((1, 2, -7, 3), -7),
        ((4, 4, 1, 0.5), 4),
        ((-3, -3, -3, -3), -3),
        ((9, 0, 0, 0), 9),
    ],
)
def test_the_eigenvalue_of_greatest_magnitude_with_its_sign(spectrum, top):
    found = lambda_max(*quadratic(*spectrum), iterations=80)
    assert found.value == pytest.approx(top, rel=1e-8) and found.residual < 1e-6
    assert len(found.history) == found.iterations + 1 and found.history[-1] == found.value


def test_opposite_eigenvalues_never_settle_and_the_residual_says_so():
    found = lambda_max(*quadratic(3, -3, 1, 0), iterations=60)
    assert abs(found.value) < 3 and found.residual > 0.1


def test_each_iteration_is_one_step_of_power_iteration():
    loss, params = quadratic(5, 3, -2, 1, 0.5)
    hessian = torch.autograd.functional.hessian(
        lambda x: loss_at(loss, params, x), torch.cat(params).detach()
    )
    v = torch.randn(5, generator=torch.Generator().manual_seed(4)).double()
    expected = []
    for _ in range(4):
        v = v / v.norm()
        expected.append(float(v @ hessian @ v))
        v = hessian @ v
    assert lambda_max(loss, params, iterations=3, seed=4).history == pytest.approx(expected)


def loss_at(loss, params, x):
    """The loss of `quadratic` with x in place of its tensors."""
    kept = params[:]
    params[:] = [x]
    try:
        return loss()
    finally:
        params[:] = kept


def test_a_network_of_fifty_parameters_against_its_whole_hessian():
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 2), nn.Tanh(), nn.Linear(2, 2)
    ).double()
    params = list(net.parameters())
    assert sum(p.numel() for p in params) == 50
    x, y = torch.randn(20, 4).double(), torch.randint(2, (20,))
    whole = torch.autograd.functional.hessian(
        lambda vector: F.cross_entropy(torch.func.functional_call(net, split(net, vector), x), y),
        torch.cat([p.detach().reshape(-1) for p in params]),
    )
    spectrum = torch.linalg.eigvalsh(whole)
    found = lambda_max(lambda: F.cross_entropy(net(x), y), params, iterations=500, tolerance=1e-7)
    assert found.value == pytest.approx(float(spectrum[spectrum.abs().argmax()]), rel=1e-9)
    assert found.iterations < 500 and found.residual <= 1e-7 * abs(found.value)
    short = lambda_max(lambda: F.cross_entropy(net(x), y), params, iterations=3)
    assert (spectrum - short.value).abs().min() <= short.residual


def split(net, vector):
    found = {}
    for name, p in net.named_parameters():
        found[name], vector = vector[: p.numel()].view_as(p), vector[p.numel() :]
    return found


@settings(max_examples=50, deadline=None)
@given(size=st.integers(1, 8), seed=st.integers(0, 1000), iterations=st.integers(1, 12))
def test_the_residual_bounds_the_distance_to_an_eigenvalue(size, seed, iterations):
    generator = torch.Generator().manual_seed(seed)
    matrix = torch.randn(size, size, generator=generator, dtype=torch.float64)
    matrix = matrix + matrix.T
    x = torch.zeros(size, dtype=torch.float64, requires_grad=True)
    spectrum = torch.linalg.eigvalsh(matrix)
    found = lambda_max(lambda: x @ matrix @ x / 2, [x], iterations=iterations, seed=seed)
    slack = 1e-9 * float(spectrum.abs().max())
    assert float(spectrum[0]) - slack <= found.value <= float(spectrum[-1]) + slack
    assert float((spectrum - found.value).abs().min()) <= found.residual + slack
    again = lambda_max(lambda: x @ matrix @ x / 2, [x], iterations=iterations, seed=seed)
    assert again == found


def test_nothing_is_left_in_gradients():
    loss, params = quadratic(2, 1, 1, 1)
    params[0].grad = torch.ones_like(params[0])
    lambda_max(loss, params)
    assert torch.equal(params[0].grad, torch.ones_like(params[0])) and params[1].grad is None


def test_a_tensor_that_the_loss_does_not_use_adds_nothing():
    loss, params = quadratic(2, 1, 1, 1)
    other = torch.ones(3, dtype=torch.float64, requires_grad=True)
    assert lambda_max(loss, [*params, other], iterations=60).value == pytest.approx(2)


def test_a_linear_loss_is_flat():
    x = torch.ones(4, requires_grad=True)
    found = lambda_max(lambda: x.sum(), [x])
    assert (found.value, found.residual, found.iterations, found.loss) == (0, 0, 0, 4)


def test_straight_through_scores_give_the_scaled_hessian_of_the_weights():
    """H = D H_u D with D = diag(sign(s) w), the pruned entry included."""
    w = torch.tensor([2.0, -1.0, 3.0], dtype=torch.float64)
    s = torch.tensor([1.0, -2.0, 0.1], dtype=torch.float64, requires_grad=True)
    matrix = torch.tensor([[2.0, 1.0, 0.0], [1.0, 3.0, 1.0], [0.0, 1.0, 1.0]], dtype=torch.float64)

    def loss():
        u = straight_through(w, s, s.abs() > 0.5)
        return u @ matrix @ u / 2

    scale = torch.diag(torch.sign(s.detach()) * w)
    top = torch.linalg.eigvalsh(scale @ matrix @ scale)[-1]
    assert lambda_max(loss, [s], iterations=200).value == pytest.approx(float(top))


def test_attention_is_differentiated_twice():
    torch.manual_seed(0)
    x = torch.randn(1, 2, 5, 4)
    w = torch.randn(4, 4, requires_grad=True)

    def loss():
        q = x @ w
        return F.scaled_dot_product_attention(q, q, q).square().mean()

    whole = torch.autograd.functional.hessian(
        lambda one: plain_attention(x @ one).square().mean(), w.detach()
    ).view(16, 16)
    spectrum = torch.linalg.eigvalsh(whole.double())
    found = lambda_max(loss, [w], iterations=300)
    assert found.value == pytest.approx(float(spectrum[spectrum.abs().argmax()]), rel=1e-3)


def plain_attention(q):
    return ((q @ q.transpose(-1, -2)) / 2).softmax(-1) @ q


@pytest.mark.parametrize(
    'change, words',
    [
        (dict(iterations=0), 'iterations=0'),
        (dict(tolerance=-1.0), 'tolerance=-1.0'),
        (dict(params=[]), 'no tensors'),
        (dict(params=[torch.zeros(2)]), 'takes no gradient'),
        (dict(loss=lambda: torch.tensor(float('nan'))), 'loss is nan'),
        (dict(loss=lambda: torch.zeros(2)), 'a tensor (2,)'),
        (dict(loss=lambda: torch.ones(())), 'does not depend'),
    ],
)
def test_wrong_input_is_one_sentence(change, words):
    loss, params = quadratic(1, 2)
    with pytest.raises(ValueError) as error:
        lambda_max(**dict(dict(loss=loss, params=params), **change))
    assert words in str(error.value) and '\n' not in str(error.value)
