"""The worst rise in a box, where it can be written down."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrobustprune.analysis import LossDifference, loss_difference, mean_difference
from mmrobustprune.analysis.loss_difference import RHO, checkpoints


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 999),
    steps=st.integers(1, 5),
    sizes=st.lists(st.integers(1, 4), min_size=1, max_size=3),
)
def test_a_linear_loss_rises_by_rho_times_slope_times_scale(seed, steps, sizes):
    generator = torch.Generator().manual_seed(seed)
    params, slopes = (
        [torch.randn(size, generator=generator, dtype=torch.float64) for size in sizes]
        for _ in range(2)
    )
    before = [one.clone() for one in params]
    for one in params:
        one.requires_grad_()
    found = loss_difference(
        lambda: sum((s * g).sum() for s, g in zip(params, slopes, strict=True)),
        params,
        rho=(0, 0.01, 0.5),
        steps=steps,
    )
    whole = sum(float((s.abs() * g.abs()).sum()) for s, g in zip(before, slopes, strict=True))
    assert [one.value for one in found] == pytest.approx([0, 0.01 * whole, 0.5 * whole], rel=1e-9)
    assert found[0].value == 0 and [one.rho for one in found] == [0, 0.01, 0.5]
    assert all(torch.equal(s, then) for s, then in zip(params, before, strict=True))


def test_the_scale_is_the_shape_of_the_ball():
    x = torch.tensor([1.0, -2.0], requires_grad=True)
    found = loss_difference(lambda: 3 * x[0] - 5 * x[1], [x], [torch.tensor([0.5, 0.0])], rho=[0.1])
    assert found[0].value == pytest.approx(0.1 * 0.5 * 3, rel=1e-5)
    found = loss_difference(lambda: 3 * x[0] - 5 * x[1], [x], [torch.tensor(2.0)], rho=[0.1])
    assert found[0].value == pytest.approx(1.6, rel=1e-5)


def test_zero_scores_cannot_move():
    x = torch.zeros(3, requires_grad=True)
    assert loss_difference(lambda: x.sum() * 7, [x])[-1].value == 0


@pytest.mark.parametrize(
    'curvature, worst',
    [((4.0, 1.0), 0.5 * (4 + 1) * 0.01 + 0.1 * 2), ((-4.0, -1.0), 0.1 * 2 - 0.5 * 5 * 0.01)],
)
def test_a_quadratic_has_its_worst_corner(curvature, worst):
    """L = a1 x1^2 / 2 + a2 x2^2 / 2 + x1 + x2 in |x - 0| <= .1.

    The gradient keeps its sign, so the worst is the corner (.1, .1).
    """
    x = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    a = torch.tensor(curvature, dtype=torch.float64)
    found = loss_difference(
        lambda: (a * x * x).sum() / 2 + x.sum(), [x], [torch.ones(2)], rho=[0.1]
    )
    assert found[0].value == pytest.approx(worst)


def test_a_worst_point_inside_the_ball_is_found_by_halving():
    """-(x - .3)^2 rises by .09 at .3, well inside |x| <= 1: steps of 2 jump over it."""
    x = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    found = loss_difference(
        lambda: -(x - 0.3).square().sum(), [x], [torch.ones(1)], rho=[1.0], steps=100
    )
    assert 0.0899 < found[0].value <= 0.09
    few = loss_difference(
        lambda: -(x - 0.3).square().sum(), [x], [torch.ones(1)], rho=[1.0], steps=4
    )
    assert few[0].value < found[0].value


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 999), radii=st.lists(st.floats(0, 2), min_size=1, max_size=5))
def test_never_below_zero_and_never_falling_in_rho(seed, radii):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(6, generator=generator, dtype=torch.float64).requires_grad_()
    w = torch.randn(6, 6, generator=generator, dtype=torch.float64)
    found = loss_difference(lambda: torch.sin(w @ x).sum(), [x], rho=radii, steps=6)
    values = [one.value for one in found]
    assert [one.rho for one in found] == sorted(set(radii))
    assert values == sorted(values) and values[0] >= 0
    assert all(one.value <= 12 for one in found)


def test_the_changed_mask_entries_are_counted_at_the_worst_point():
    """The loss wants the first score up and the others down, and two of four are kept."""
    s = torch.tensor([0.99, 1.0, 1.005, 2.0], dtype=torch.float64, requires_grad=True)
    slope = torch.tensor([1.0, -1.0, -1.0, 0.0], dtype=torch.float64)

    def masks():
        keep = torch.zeros(4, dtype=torch.bool)
        keep[s.detach().abs().topk(2).indices] = True
        return dict(layer=keep)

    found = loss_difference(lambda: (slope * s).sum(), [s], rho=(0, 0.001, 0.01), masks=masks)
    assert [one.flipped for one in found] == [0, 0, 2]  # .01: the first comes, the third goes
    assert masks()['layer'].tolist() == [False, False, True, True]
    assert loss_difference(lambda: (slope * s).sum(), [s], rho=(0,))[0].flipped is None


def test_batches_are_averaged_radius_by_radius():
    first = [LossDifference(0.1, 1.0, 2.0, 4), LossDifference(0.2, 3.0, 2.0, 6)]
    second = [LossDifference(0.1, 2.0, 4.0, 5), LossDifference(0.2, 5.0, 4.0, 6)]
    assert mean_difference([first, second]) == [
        LossDifference(0.1, 1.5, 3.0, 4.5),
        LossDifference(0.2, 4.0, 3.0, 6),
    ]
    assert mean_difference([[LossDifference(0.1, 1.0, 2.0)]])[0].flipped is None


def test_the_step_is_judged_where_apgd_says():
    assert list(checkpoints(100)) == [22, 41, 57, 70, 80, 87, 93, 99]
    assert RHO == (0.001, 0.0025, 0.005, 0.0075, 0.01)


def test_weights_come_back_when_the_loss_fails():
    x = torch.ones(2, requires_grad=True)
    values = iter([1.0, 2.0, float('nan')])
    with pytest.raises(ValueError, match='loss is nan'):
        loss_difference(lambda: x.sum() * next(values), [x], rho=[0.5])
    assert torch.equal(x, torch.ones(2))


@pytest.mark.parametrize(
    'change, words',
    [
        (dict(rho=[-1]), 'rho=[-1]'),
        (dict(rho=[]), 'rho=[]'),
        (dict(rho=[float('nan')]), 'rho=[nan]'),
        (dict(steps=0), 'steps=0'),
        (dict(scale=[-torch.ones(2)]), 'negative or undefined scale'),
        (dict(params=[torch.ones(2)]), 'takes no gradient'),
    ],
)
def test_wrong_input_is_one_sentence(change, words):
    x = torch.ones(2, requires_grad=True)
    with pytest.raises(ValueError) as error:
        loss_difference(**dict(dict(loss=lambda: x.sum(), params=[x]), **change))
    assert words in str(error.value) and '\n' not in str(error.value)
