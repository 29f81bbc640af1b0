"""Losses of adversarial training: written-out values, closed forms on a linear model, inputs that are refused."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from mmrobustprune.attack import (
    MART,
    PGD,
    PGDAT,
    TRADES,
    CrossEntropy,
    FastAT,
    FreeAT,
    build_robust_loss,
)
from mmrobustprune.attack.losses import LOSSES, divergence
from tests.attack.nets import linear, pictures, small

EPS = 8 / 255


def probabilities(*rows):
    """Logits whose softmax these rows are."""
    return torch.tensor(rows).log()


def total(losses):
    return sum(losses.values())


def test_trades_is_the_written_out_sum():
    """p(x) = (1/2, 1/2), p(x') = (1/4, 3/4), label 0: CE = log 2, KL = 1/2 log 2 + 1/2 log(2/3)."""
    clean, moved = probabilities([0.5, 0.5]), probabilities([0.25, 0.75])
    losses = TRADES(beta=6.0)(lambda logits: logits, clean, moved, torch.tensor([0]))
    assert losses['loss_clean'].item() == pytest.approx(math.log(2))
    assert losses['loss_robust'].item() == pytest.approx(
        6 * (0.5 * math.log(2) + 0.5 * math.log(2 / 3)), rel=1e-5
    )


def test_mart_is_the_written_out_sum():
    """p(x) = (.5, .3, .2), p(x') = (.2, .7, .1), label 0: BCE = -log .2 - log .3, the second term is halved."""
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
    x, index = pictures(8)
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
    model, (x, index) = small().eval(), pictures(16)
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


def worst_corner(model, x, y):
    """Of two classes the cross-entropy's input gradient has the sign of w_other - w_y everywhere: (N, 3, 4, 4)."""
    weight = model.network[1].weight
    return (weight[1 - y] - weight[y]).sign().reshape(len(y), 3, 4, 4)


def test_fast_at_on_a_linear_model():
    """One step of 1.25 eps from a uniform start, which is cut to [0, 1] as the result is."""
    model, (x, index) = linear(), pictures()
    y = index % 2
    torch.manual_seed(3)
    attacked = FastAT(eps=EPS).craft(model, x, y)
    torch.manual_seed(3)
    low, high = (x - EPS).clamp(0), (x + EPS).clamp(max=1)
    start = torch.clamp(x + EPS * (2 * torch.rand_like(x) - 1), low, high)
    assert torch.allclose(
        attacked, torch.clamp(start + 1.25 * EPS * worst_corner(model, x, y), low, high), atol=1e-6
    )


def test_pgd_at_on_a_linear_model_ends_in_the_corner():
    model, (x, index) = linear(), pictures()
    y = index % 2
    attacked = PGDAT(eps=EPS).craft(model, x, y)
    assert torch.allclose(attacked, (x + EPS * worst_corner(model, x, y)).clamp(0, 1), atol=1e-6)
    losses = PGDAT()(model, x, attacked, y)
    assert torch.equal(losses['loss_robust'], F.cross_entropy(model(attacked), y))


def free_step(loss, model, x, y):
    attacked = loss.craft(model, x, y)
    total(loss(model, x, attacked, y)).backward()
    return attacked


def test_free_at_on_a_linear_model():
    """The first pass sees x, the second x + eps sign; the weights' gradient is that of plain training on what it saw."""
    model, (x, index), loss = linear(), pictures(), FreeAT(eps=EPS)
    y = index % 2
    corner = worst_corner(model, x, y)
    assert torch.equal(free_step(loss, model, x, y), x)
    grad = model.network[1].weight.grad.clone()
    model.zero_grad()
    F.cross_entropy(model(x), y).backward()
    assert torch.equal(model.network[1].weight.grad, grad)
    assert torch.equal(loss.state()['noise'], EPS * corner)
    second = free_step(loss, model, x, y)
    assert torch.allclose(second, (x + EPS * corner).clamp(0, 1))
    inside = (x + EPS * corner >= 0) & (
        x + EPS * corner <= 1
    )  # the others were cut, and have no gradient
    assert torch.equal(loss.state()['noise'][inside], (EPS * corner)[inside]) and not inside.all()


def test_the_noise_of_free_at_belongs_to_places_of_the_batch():
    model, (x, index), loss = linear(), pictures(6), FreeAT(eps=EPS)
    y = index % 2
    free_step(loss, model, x[:2], y[:2])
    first = loss.state()['noise'].clone()
    assert torch.equal(
        free_step(loss, model, x, y)[:2], (x[:2] + first).clamp(0, 1)
    )  # two places moved, four are new
    whole = loss.state()['noise'].clone()
    free_step(loss, model, x[:1], y[:1])
    assert torch.equal(loss.state()['noise'][1:], whole[1:]) and len(whole) == 6


def test_free_at_moves_its_noise_by_the_first_backward_pass_alone():
    model, (x, index), loss = linear(), pictures(4), FreeAT(eps=EPS)
    y = index % 2
    attacked = loss.craft(model, x, y)
    total(loss(model, x, attacked, y)).backward()
    noise, version = loss.state()['noise'].clone(), attacked._version
    with torch.no_grad():
        model.network[1].weight.neg_()
    total(loss(model, x, attacked, y)).backward()
    assert torch.equal(loss.state()['noise'], noise) and attacked._version == version == 0


def test_free_at_goes_on_from_its_state():
    model, (x, index), loss = linear(), pictures(4), FreeAT(eps=EPS)
    y = index % 2
    free_step(loss, model, x, y)
    resumed = FreeAT(eps=EPS)
    resumed.load_state(loss.state())
    assert torch.equal(resumed.craft(model, x, y), loss.craft(model, x, y))
    free_step(resumed, model, x, 1 - y)
    assert not torch.equal(resumed.state()['noise'], loss.state()['noise'])  # a copy


def test_an_infinite_gradient_leaves_the_noise_finite():
    model, (x, index), loss = linear(), pictures(4), FreeAT(eps=EPS)
    attacked = loss.craft(model, x, index % 2)
    (total(loss(model, x, attacked, index % 2)) * math.inf).backward()
    assert loss.state()['noise'].abs().max() <= EPS


def test_every_loss_is_built_by_its_name_with_fractions_as_text():
    for name, kind in LOSSES.items():
        assert type(build_robust_loss(dict(type=name))) is kind
    built = build_robust_loss(
        dict(type='TRADES', beta=1, eps='4/255', step='1/255', steps=3, _scope_='mmpretrain')
    )
    assert (built.beta, built.eps, built.step, built.steps) == (1, 4 / 255, 1 / 255, 3)
    assert build_robust_loss(built) is built


@pytest.mark.parametrize(
    'given, sentence',
    [
        (
            dict(type='TRADES', eps=8),
            'TRADES got eps=8; pixels lie in [0, 1] here, so write 8/255 for 8 grey levels.',
        ),
        (dict(type='PGDAT', step=2), 'PGDAT got step=2; pixels lie in [0, 1] here, so write 2/255'),
        (dict(type='FreeAT', eps='4'), 'FreeAT got eps=4; pixels lie in [0, 1]'),
        (dict(type='TRADES', beta=-1), 'TRADES got beta=-1; give a number of at least 0.'),
        (dict(type='PGDAT', steps=2.5), 'PGDAT got steps=2.5; give a whole number of at least 1.'),
        (dict(type='FastAT', eps=math.nan), 'FastAT got eps=nan; give a number'),
        (dict(type='TRADES', eps='a/255'), "'a/255' is no number; give one such as 0.03 or 8/255."),
        (
            dict(type='TRADE'),
            "unknown robust loss 'TRADE' (did you mean 'TRADES'?); choose among TRADES, PGDAT,",
        ),
        (dict(type='FreeAT', replays=4), "unknown field of robust loss FreeAT 'replays'"),
    ],
)
def test_wrong_settings_are_refused_in_one_sentence(given, sentence):
    with pytest.raises(ValueError) as error:
        build_robust_loss(given)
    assert sentence in str(error.value)


def test_what_is_no_loss_is_refused():
    with pytest.raises(TypeError, match="'TRADES' is no robust loss; write robust_loss=dict"):
        build_robust_loss('TRADES')


def test_an_attack_of_eight_instead_of_eight_255ths_is_refused():
    with pytest.raises(
        ValueError, match=r'pgd got eps=8; pixels lie in \[0, 1\] here, so write 8/255'
    ):
        PGD(eps=8, step=2, steps=10, random_start=True)
    assert PGD(eps=8, step=2, steps=10, random_start=True, space='normalised').eps == 8
