"""What all attacks share: budgets, stamps, clean accuracy, labels that fit the outputs."""

import pytest
import torch
from torch import nn

from mmrobustprune.attack import FGSM, PGD, AutoAttack, Classifier, Clean
from tests.attack.nets import labels, linear, samples, small


def test_an_attack_of_eight_instead_of_eight_255ths_is_refused():
    with pytest.raises(
        ValueError, match=r'pgd got eps=8; pixels lie in \[0, 1\] here, so write 8/255'
    ):
        PGD(eps=8, step=2, steps=10, random_start=True)
    assert PGD(eps=8, step=2, steps=10, random_start=True, space='normalised').eps == 8


def every_attack():
    return (
        Clean(),
        FGSM(eps=0.02),
        FGSM(eps=0.02, label='predicted'),
        PGD(eps=0.02, step=0.01, steps=2, random_start=True),
        AutoAttack(eps=0.02, iterations=2, queries=2),
    )


@pytest.mark.parametrize('attack', every_attack(), ids=lambda attack: attack.name)
def test_one_output_is_refused_whatever_the_labels(attack):
    """A sigmoid's argmax is 0, so that accuracy would be the share of class 0."""
    model = linear(classes=1)
    x, index = samples(4)
    for y in (index % 2, torch.zeros(4, dtype=torch.long)):
        with pytest.raises(
            ValueError, match='needs one logit .* two classes and the model gives 1'
        ):
            attack(model, x, y, index)


@pytest.mark.parametrize('attack', every_attack(), ids=lambda attack: attack.name)
def test_labels_beyond_the_outputs_are_named(attack):
    x, index = samples(4)
    with pytest.raises(ValueError, match='got label 7 and the model has 5 classes, 0 to 4'):
        attack(small(), x, torch.tensor([0, 1, 7, 2]), index)
    with pytest.raises(ValueError, match='got label -1 and'):
        attack(small(), x, torch.tensor([0, -1, 1, 2]), index)


@pytest.mark.parametrize('attack', every_attack(), ids=lambda attack: attack.name)
@pytest.mark.parametrize('classes', [2, 3, 1000])
def test_any_number_of_classes_from_two(attack, classes):
    model = small(classes)
    x, index = samples(6)
    y = labels(model, x)
    clean = Clean()(model, x, y, index).robust['clean']
    *_, robust = attack(model, x, y, index).robust.values()
    assert clean.tolist() == [False, True, True, True, False, True]
    if attack.label == 'true':
        assert not (robust & ~clean).any()


@pytest.mark.parametrize('channels', [1, 4, 6])
@pytest.mark.parametrize('space', ['pixel', 'normalised'])
def test_any_number_of_channels(channels, space):
    from mmrobustprune.attack import Normalise

    torch.manual_seed(0)
    std = tuple(0.1 * (1 + i) for i in range(channels))
    net = nn.Sequential(nn.Flatten(), nn.Linear(16 * channels, 2))
    model = Classifier(net, Normalise((0.5,) * channels, std))
    x = torch.rand(4, channels, 4, 4) * 0.5 + 0.25
    y = labels(model, x)
    attack = FGSM(eps=0.01, space=space)
    point = attack.perturb(model.eval(), x, y, torch.arange(4))
    weight = net[1].weight
    corner = (weight[1 - y] - weight[y]).sign().reshape(x.shape)
    start = x if space == 'pixel' else model.normalise(x)
    assert torch.allclose(point, start + 0.01 * corner, atol=1e-6)
    stamp = attack.stamp(model, x)
    expected = [0.01] * channels if space == 'pixel' else [0.01 * one for one in std]
    assert stamp['eps_pixel'] == pytest.approx(expected, rel=1e-5)


def test_other_settings_have_another_key():
    keys = {FGSM(eps=eps, seed=seed).key for eps in (0.01, 0.02) for seed in (0, 1)}
    assert len(keys) == 4 and all(key.startswith('fgsm-pixel-0.0') for key in keys)
    assert FGSM(eps=0.01).key == FGSM(eps=0.01).key
