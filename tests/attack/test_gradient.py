"""FGSM and PGD: closed form on a linear model, ball, bounds, monotony, neutrality."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from mmrobustprune.attack import FGSM, PGD, Classifier, Clean, Normalise
from tests.attack.nets import MEAN, STD, labels, linear, samples, small


def accuracy(attack, model, x, y, index):
    return list(attack(model, x, y, index).robust.values())[-1].float().mean().item()


def two_class_margin(model, x, y):
    """(w, m): z -> w.z is logit_y - logit_other up to a constant, and m (N,) its value."""
    weight = model.network[1].weight
    w = (weight[y] - weight[1 - y]).reshape(len(y), 3, 4, 4)
    logits = model(x)
    return w, logits.gather(1, y[:, None])[:, 0] - logits.gather(1, 1 - y[:, None])[:, 0]


@pytest.mark.parametrize('space', ['pixel', 'normalised'])
@pytest.mark.parametrize(
    'attack',
    [
        FGSM(eps=0.03),
        PGD(eps=0.03, step=0.02, steps=3, random_start=False),
        PGD(eps=0.03, step=0.06, steps=2, random_start=True),
    ],
)
def test_two_classes_and_a_linear_model_have_a_closed_form(attack, space):
    """The worst point of an unclipped ball is z - eps sign(w); the margin falls by eps |w|_1."""
    model = linear()
    (x, index), attack = (
        samples(),
        type(attack)(**{**vars(attack), 'space': space, 'clip': 'none'}),
    )
    y = labels(model, x)
    w, before = two_class_margin(model, x, y)
    scale = torch.ones(3) if space == 'normalised' else 1 / torch.tensor(STD)
    fall = 0.03 * (w.abs() * scale[:, None, None]).sum((1, 2, 3))
    point = attack.perturb(model, x, y, index)
    start = x if space == 'pixel' else model.normalise(x)
    assert torch.allclose(point, start - 0.03 * w.sign(), atol=1e-6)
    robust = attack(model, x, y, index).robust[attack.name]
    assert torch.equal(robust, before - fall > 0) and 0 < robust.sum() < len(y)


def test_three_steps_that_cannot_reach_the_ball():
    attack = PGD(eps=8 / 255, step=2 / 255, steps=3, random_start=False, clip='none')
    model, (x, index) = linear(), samples()
    moved = (attack.perturb(model, x, labels(model, x), index) - x).abs()
    assert torch.allclose(
        moved, torch.tensor(6 / 255), atol=1e-6
    ) and attack.reach == pytest.approx(6 / 255)
    assert PGD(eps=8 / 255, step=2 / 255, steps=3, random_start=True).reach == 8 / 255


@settings(max_examples=60, deadline=None)
@given(
    eps=st.floats(0, 0.6),
    step=st.floats(0, 0.5),
    steps=st.integers(1, 4),
    start=st.booleans(),
    seed=st.integers(0, 99),
    keep=st.sampled_from(['last', 'best']),
    space=st.sampled_from(['pixel', 'normalised']),
    clip=st.sampled_from(['image', 'range', 'none']),
)
def test_ball_and_bounds(eps, step, steps, start, keep, space, clip, seed):
    model, (x, index) = small(seed=seed % 3).eval(), samples(6, seed)
    attack = PGD(
        eps=eps,
        step=step,
        steps=steps,
        random_start=start,
        keep=keep,
        space=space,
        clip=clip,
        seed=seed,
    )
    point = attack.perturb(model, x, labels(model, x), index)
    z = x if space == 'pixel' else model.normalise(x)
    assert (point - z).abs().max() <= eps + 1e-6 and (point - z).abs().max() <= attack.reach + 1e-5
    if clip != 'none':
        ends = torch.stack(
            [
                (end - torch.tensor(MEAN)) / torch.tensor(STD)
                if space == 'normalised'
                else torch.full((3,), end)
                for end in (0.0, 1.0)
            ]
        )
        low, high = (
            (ends[0], ends[1]) if clip == 'image' else (ends.min().expand(3), ends.max().expand(3))
        )
        assert (point >= low[:, None, None] - 1e-6).all() and (
            point <= high[:, None, None] + 1e-6
        ).all()


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 999), start=st.booleans(), steps=st.integers(1, 6), more=st.integers(1, 6)
)
def test_with_the_best_point_kept_more_steps_never_help_the_model(seed, start, steps, more):
    model, (x, index) = small(seed=seed), samples(16, seed)
    y = labels(model, x)
    made = [
        PGD(eps=0.1, step=0.04, steps=number, random_start=start, keep='best', seed=seed)
        for number in (steps, steps + more)
    ]
    fewer, longer = (attack(model, x, y, index).robust['pgd'] for attack in made)
    assert not (longer & ~fewer).any()


def test_accuracy_falls_with_eps_and_with_steps():
    for model in (linear(), linear(6)):
        x, index = samples(64)
        y = labels(model, x)
        falls = [
            accuracy(FGSM(eps=eps), model, x, y, index) for eps in (0, 0.01, 0.02, 0.05, 0.1, 0.3)
        ]
        assert falls == sorted(falls, reverse=True) and falls[0] > falls[-1]
        falls = [
            accuracy(PGD(eps=0.1, step=0.02, steps=steps, random_start=False), model, x, y, index)
            for steps in (1, 2, 3, 5)
        ]
        assert falls == sorted(falls, reverse=True) and falls[0] > falls[-1]


@pytest.mark.parametrize('space', ['pixel', 'normalised'])
@pytest.mark.parametrize('label', ['true', 'predicted'])
def test_a_radius_of_zero_is_no_attack(space, label):
    model, (x, index) = small(), samples()
    y = labels(model, x)
    clean = Clean()(model, x, y, index).robust['clean']
    common = dict(eps=0, space=space, label=label)
    for attack in (FGSM(**common), PGD(step=0.1, steps=3, random_start=True, **common)):
        assert torch.equal(attack(model, x, y, index).robust[attack.name], clean)
    assert 0 < clean.sum() < len(y)


def test_moving_away_from_the_prediction_can_mend_a_wrong_image():
    model, (x, index) = linear(), samples(64)
    y = labels(model, x)
    clean = Clean()(model, x, y, index).robust['clean']
    true, predicted = (
        FGSM(eps=0.05, label=label)(model, x, y, index).robust['fgsm']
        for label in ('true', 'predicted')
    )
    assert torch.equal(
        true[clean], predicted[clean]
    )  # where the prediction is the label they are one attack
    assert not true[~clean].any() and predicted[~clean].any()


def test_a_normalised_radius_is_a_pixel_radius_over_std():
    """With equal std the two spaces are one attack; the stamp says the pixel radius of every
    channel.
    """
    even = Classifier(linear().network, Normalise(MEAN, (0.25, 0.25, 0.25)))
    x, index = samples()
    y = labels(even, x)
    pixel = FGSM(eps=0.02).perturb(even, x, y, index)
    normalised = FGSM(eps=0.08, space='normalised').perturb(even, x, y, index)
    assert torch.allclose(even.normalise(pixel), normalised, atol=1e-5)
    stamp = FGSM(eps=0.1, space='normalised').stamp(linear(), x)
    assert stamp['eps_pixel'] == pytest.approx([0.1 * std for std in STD], rel=1e-6)
    assert FGSM(eps=0.1).stamp(linear(), x)['eps_pixel'] == [0.1] * 3
    stamp = PGD(eps=0.1, step=0.02, steps=3, random_start=False, space='normalised').stamp(
        linear(), x
    )
    assert stamp['reach_pixel'] == pytest.approx([0.06 * std for std in STD], rel=1e-6)


def test_the_range_clip_is_the_one_of_sr_gkp_on_cifar():
    model = Classifier(nn.Flatten(), Normalise((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)))
    space = FGSM(eps=0.1, space='normalised', clip='range').in_space(model, samples()[0])
    assert space.low.flatten().tolist() == pytest.approx([-2.4291] * 3, abs=5e-5)
    assert space.high.flatten().tolist() == pytest.approx([2.7537] * 3, abs=5e-5)


def test_the_model_is_left_as_it_was():
    model, (x, index) = small().train(), samples(8)
    model.network[3].eval()
    model.network[0].weight.requires_grad_(False)
    before, modes = copy.deepcopy(model.state_dict()), [m.training for m in model.modules()]
    state = torch.random.get_rng_state()
    PGD(eps=0.1, step=0.05, steps=2, random_start=True)(
        model, x, labels(copy.deepcopy(model), x), index
    )
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert [m.training for m in model.modules()] == modes and torch.equal(
        state, torch.random.get_rng_state()
    )
    assert all(p.grad is None for p in model.parameters())
    assert [p.requires_grad for p in model.parameters()] == [False, True, True, True, True, True]


def test_no_parameter_gradients_are_computed():
    seen = []

    class Watch(nn.Module):
        def forward(self, z):
            seen.append(any(p.requires_grad for p in model.parameters()))
            return inner(z)

    inner, (x, index) = small().network, samples(4)
    model = Classifier(Watch())
    model.inner = inner
    FGSM(eps=0.1)(model, x, torch.zeros(4, dtype=torch.long), index)
    assert seen and not any(seen)


def test_an_image_is_attacked_alike_in_every_batch():
    model, (x, index) = small().eval(), samples(12)
    y = labels(model, x)
    attack = PGD(eps=0.1, step=0.03, steps=3, random_start=True, seed=7)
    whole = attack.perturb(model, x, y, index)
    parts = torch.cat(
        [
            attack.perturb(model, x[part], y[part], index[part])
            for part in (slice(0, 5), slice(5, 12))
        ]
    )
    assert torch.allclose(whole, parts, atol=1e-6)
    other = PGD(eps=0.1, step=0.03, steps=3, random_start=True, seed=8).perturb(model, x, y, index)
    assert not torch.allclose(whole, other)


@pytest.mark.parametrize(
    'make, sentence',
    [
        (lambda: FGSM(eps=-1), 'eps=-1'),
        (lambda: FGSM(eps=float('nan')), 'eps=nan'),
        (lambda: FGSM(eps=0.1, space='lab'), "space='lab'"),
        (lambda: FGSM(eps=0.1, label='other'), "'true' or 'predicted'"),
        (lambda: FGSM(eps=0.1, clip='all'), "clip='all'"),
        (lambda: PGD(eps=0.1, step=0.1, steps=0, random_start=True), 'steps=0'),
        (lambda: PGD(eps=0.1, step=0.1, steps=1.5, random_start=True), 'whole number'),
        (lambda: PGD(eps=0.1, step=0.1, steps=1, random_start=True, keep='first'), "keep='first'"),
    ],
)
def test_wrong_fields_are_one_sentence(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()


def test_the_random_start_must_be_said():
    with pytest.raises(TypeError, match='random_start'):
        PGD(eps=0.1, step=0.1, steps=1)


def test_steps_in_grey_levels_are_refused():
    with pytest.raises(
        ValueError, match='pgd got step=2; pixels lie in .0, 1. here, so write 2/255'
    ):
        PGD(eps=8 / 255, step=2, steps=10, random_start=True)
    assert PGD(eps=8 / 255, step=2, steps=10, random_start=True, space='normalised').step == 2


def test_images_outside_zero_to_one_and_normalisations_that_pad_are_refused():
    model, (x, index) = linear(), samples(4)
    for bad in (255 * x, model.normalise(x), (255 * x).byte()):
        with pytest.raises(ValueError, match='give floats in'):
            FGSM(eps=0.1)(model, bad, index % 2, index)
    padded = Classifier(model.network, nn.ZeroPad2d(1))
    with pytest.raises(ValueError, match="space='pixel'"):
        FGSM(eps=0.1, space='normalised')(padded, x, index % 2, index)
