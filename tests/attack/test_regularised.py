"""TRADES and MART: written-out values, gradients, their attack."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from mmrobustprune.attack import MART, TRADES, CrossEntropy
from mmrobustprune.attack.regularised import divergence
from tests.attack.nets import linear, samples, small, total

EPS = 8 / 255


def probabilities(*rows):
    """Logits whose softmax these rows are."""
    return torch.tensor(rows).log()


def test_trades_is_the_written_out_sum():
    """p(x) = (1/2, 1/2), p(x') = (1/4, 3/4), label 0: CE = log 2, KL = 1/2 log 2 + 1/2 log(2/3)."""
    clean, moved = probabilities([0.5, 0.5]), probabilities([0.25, 0.75])
    losses = TRADES(beta=6.0)(lambda logits: logits, clean, moved, torch.tensor([0]))
    assert losses['loss_clean'].item() == pytest.approx(math.log(2))
    assert losses['loss_robust'].item() == pytest.approx(
        6 * (0.5 * math.log(2) + 0.5 * math.log(2 / 3)), rel=1e-5
    )


def test_mart_is_the_written_out_sum():
    """p(x) = (.5, .3, .2), p(x') = (.2, .7, .1), label 0: BCE = -log .2 - log .3, the second term
    is halved.
    """
    clean, moved = probabilities([0.5, 0.3, 0.2]), probabilities([0.2, 0.7, 0.1])
    losses = MART(beta=5.0)(lambda logits: logits, clean, moved, torch.tensor([0]))
    assert losses['loss_boosted'].item() == pytest.approx(-math.log(0.2) - math.log(0.3), rel=1e-5)
    kl = 0.5 * math.log(0.5 / 0.2) + 0.3 * math.log(0.3 / 0.7) + 0.2 * math.log(0.2 / 0.1)
    assert losses['loss_robust'].item() == pytest.approx(5 * 0.5 * kl, rel=1e-5)


def test_the_gradient_of_trades_passes_through_both_predictions():
    """d KL(p||q) / d logits of q = q - p, of p = p (log p/q - KL)."""
    clean = probabilities([0.5, 0.3, 0.2]).requires_grad_()
    moved = probabilities([0.2, 0.7, 0.1]).requires_grad_()
    TRADES(beta=2.0)(lambda logits: logits, clean, moved, torch.tensor([1]))[
        'loss_robust'
    ].backward()
    p, q = clean.detach().exp(), moved.detach().exp()
    ratio = (p / q).log()
    assert torch.allclose(moved.grad, 2 * (q - p), atol=1e-6)
    assert torch.allclose(clean.grad, 2 * p * (ratio - (p * ratio).sum()), atol=1e-6)


def test_trades_without_its_second_term_is_cross_entropy():
    x, index = samples(8)
    grads = []
    for loss in (TRADES(beta=0.0, steps=1), CrossEntropy()):
        model = linear(classes=5)
        total(loss(model, x, loss.craft(model, x, index % 5), index % 5)).backward()
        grads.append(model.network[1].weight.grad)
    assert torch.equal(*grads)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 1000), st.floats(0.01, 50))
def test_the_divergence_is_never_negative_and_zero_only_at_equality(seed, scale):
    draw = torch.Generator().manual_seed(seed)
    clean, moved = (
        F.log_softmax(scale * torch.randn(4, 6, generator=draw, dtype=torch.float64), 1)
        for _ in range(2)
    )
    found = divergence(clean, moved)
    assert (found >= -1e-12).all() and (
        divergence(clean, clean) == 0
    ).all()  # rounding, where both are one-hot
    assert (found > 0)[(clean.exp() - moved.exp()).abs().amax(1) > 1e-6].all()


def test_the_attack_of_trades_raises_its_divergence():
    model, (x, index) = small().eval(), samples(16)
    torch.manual_seed(0)
    attacked = TRADES().craft(model, x, index % 5)
    uniform = (x + EPS * (2 * torch.rand_like(x) - 1)).clamp(0, 1)
    with torch.no_grad():
        clean, worst, random = (F.log_softmax(model(z), 1) for z in (x, attacked, uniform))
    assert divergence(clean, worst).mean() > 3 * divergence(clean, random).mean()


def test_the_start_of_trades_is_small_and_gaussian():
    x = torch.full((64, 3, 8, 8), 0.5)
    torch.manual_seed(0)
    noise = TRADES(noise=0.001).start(x) - x
    assert noise.std().item() == pytest.approx(0.001, rel=0.05) and noise.abs().max() > 0.002
