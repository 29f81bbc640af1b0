"""AutoAttack: the breakdown, what it refuses, what it leaves alone."""

import random

import pytest
import torch

from mmrobustprune.attack import PGD, AutoAttack, Clean
from tests.attack.nets import labels, linear, samples, small

QUICK = dict(iterations=5, queries=20)


def test_every_step_leaves_fewer_and_the_last_one_counts():
    model, (x, index) = small(), samples(24)
    y = labels(model, x)
    clean = Clean()(model, x, y, index).robust['clean']
    robust = AutoAttack(eps=0.03, **QUICK)(model, x, y, index).robust
    assert list(robust) == ['apgd-ce', 'apgd-t', 'fab-t', 'square']
    masks = [clean, *robust.values()]
    assert all(not (after & ~before).any() for before, after in zip(masks, masks[1:], strict=False))
    assert masks[-1].sum() < clean.sum()
    pgd = PGD(eps=0.03, step=0.01, steps=10, random_start=True)(model, x, y, index).robust['pgd']
    assert robust['square'].sum() <= pgd.sum() + 1  # five iterations stand against ten


def test_the_exact_answer_on_a_linear_model():
    """APGD finds the corner of the ball: exactly the images whose margin outlives eps |w|_1
    withstand.
    """
    model, (x, index) = linear(4, normalise=False), samples(16)
    x = x * 0.8 + 0.1  # no image is at the bounds, so the ball is never clipped
    y = labels(model, x)
    weight, logits = model.network[1].weight, model(x)
    worst = torch.stack(
        [
            logits[range(16), y] - logits[:, j] - 0.02 * (weight[y] - weight[j]).abs().sum(1)
            for j in range(4)
        ],
        1,
    )
    worst[range(16), y] = torch.inf
    expected = worst.min(1).values > 0
    robust = AutoAttack(eps=0.02, iterations=20, queries=20)(model, x, y, index).robust
    assert torch.equal(robust['square'], expected) and 0 < expected.sum() < 16


def test_images_and_networks_in_channels_last_order_are_attacked_alike():
    model = small()
    x, index = samples(8)
    y = labels(model, x)
    attack = AutoAttack(eps=0.002, **QUICK)
    expected = attack(model, x, y, index).robust
    assert expected['square'].any()  # or the library would not have seen them all
    model.to(memory_format=torch.channels_last)
    found = attack(model, x.contiguous(memory_format=torch.channels_last), y, index).robust
    assert all(torch.equal(found[step], expected[step]) for step in expected)


def test_a_radius_of_zero_is_no_attack():
    model, (x, index) = small(), samples(6)
    y = labels(model, x)
    outcome = AutoAttack(eps=0, **QUICK)(model, x, y, index)
    assert torch.equal(outcome.robust['square'], Clean()(model, x, y, index).robust['clean'])


@pytest.mark.parametrize(
    'classes, targets, ran',
    [
        (2, 1, ['apgd-ce', 'fab-t', 'square']),
        (3, 2, ['apgd-ce', 'apgd-dlr', 'fab-t', 'square']),
        (4, 3, ['apgd-ce', 'apgd-t', 'fab-t', 'square']),
        (9, 8, ['apgd-ce', 'apgd-t', 'fab-t', 'square']),
        (12, 9, ['apgd-ce', 'apgd-t', 'fab-t', 'square']),
    ],
)
def test_what_ran_is_what_the_classes_allow_and_the_stamp_says(monkeypatch, classes, targets, ran):
    made = []
    original = AutoAttack._library
    monkeypatch.setattr(
        AutoAttack, '_library', lambda *args: made.append(original(*args)) or made[-1]
    )
    x, index = samples(4)
    model = small(classes)
    outcome = AutoAttack(eps=0.01, **QUICK)(model, x, labels(model, x), index)
    library = made[-1]
    assert library.apgd_targeted.n_target_classes == library.fab.n_target_classes == targets
    assert list(outcome.robust) == ran and not outcome.notes
    model.train()
    stamp = AutoAttack(eps=0.01).stamp(model, x)
    assert (stamp['targets'], stamp['ran']) == (targets, ran)
    assert stamp['version'] == ('standard' if classes >= 10 else 'custom') and model.training


@pytest.mark.parametrize('classes', [2, 3])
def test_the_exact_answer_on_a_linear_model_of_few_classes(classes):
    model = linear(classes, normalise=False)
    x, index = samples(24)
    x = x * 0.8 + 0.1
    y = labels(model, x)
    weight = model.network[1].weight
    logits = model(x)
    withstands = torch.ones(24, dtype=torch.bool)
    for j in range(classes):
        gap = logits[range(24), y] - logits[:, j]
        gap = gap - 0.02 * (weight[y] - weight[j]).abs().sum(1)
        withstands &= (gap > 0) | (y == j)
    robust = AutoAttack(eps=0.02, iterations=20, queries=20)(model, x, y, index).robust
    assert torch.equal(robust['square'], withstands) and 0 < withstands.sum() < 24


def test_the_same_seed_gives_the_same_answer_and_no_generator_moves():
    model, (x, index) = small(), samples(16)
    y = labels(model, x)
    state, python = torch.random.get_rng_state(), random.getstate()
    first, second = (
        AutoAttack(eps=0.02, seed=3, **QUICK)(model, x, y, index).robust for _ in range(2)
    )
    assert all(torch.equal(first[step], second[step]) for step in first)
    assert torch.equal(state, torch.random.get_rng_state()) and python == random.getstate()
    assert not any(p.grad is not None for p in model.parameters())


def test_images_that_are_wrong_from_the_start_stay_wrong():
    model, (x, index) = small(), samples(4)
    y = (labels(model, x) + 2) % 5
    robust = AutoAttack(eps=0.01, **QUICK)(model, x, y, index).robust
    assert not robust['apgd-ce'][1:].any() and list(robust) == list(AutoAttack.steps)


def test_its_warnings_are_kept_as_notes():
    class Noisy(torch.nn.Module):
        def forward(self, x):
            return x.flatten(1)[:, :5] + torch.rand(len(x), 5)

    from mmrobustprune.attack import Classifier

    x, index = samples(8)
    notes = AutoAttack(eps=0.01, **QUICK)(Classifier(Noisy()), x, index % 5, index).notes
    assert any('randomized defense' in note for note in notes)


def test_the_stamp_says_version_and_library():
    x, _ = samples(2)
    stamp = AutoAttack(eps=8 / 255).stamp(small(classes=10), x)
    assert (stamp['version'], stamp['iterations'], stamp['queries'], stamp['targets']) == (
        'standard',
        100,
        5000,
        9,
    )
    assert stamp['eps_pixel'] == [8 / 255] * 3 and stamp['pyautoattack'] == '0.2.0'
    assert AutoAttack(eps=0.1, queries=10).stamp(small(), x)['version'] == 'custom'


@pytest.mark.parametrize(
    'fields, sentence',
    [
        (dict(space='normalised'), "space='normalised' and knows 'pixel' alone"),
        (dict(label='predicted'), 'label='),
        (dict(clip='none'), 'clip='),
        (dict(queries=0), 'queries=0'),
        (dict(iterations=2.5), 'autoattack got iterations=2.5; give a whole number of at least 1'),
    ],
)
def test_what_it_cannot_do_is_refused(fields, sentence):
    with pytest.raises(ValueError, match=sentence):
        AutoAttack(eps=0.1, **fields)
