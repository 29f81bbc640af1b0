"""Presets, and what may be chosen of them."""

import numpy as np
import pytest
import torch
from torch import nn

from mmrobustprune.attack import (
    FGSM,
    PGD,
    AutoAttack,
    Classifier,
    Normalise,
    choose,
)
from mmrobustprune.attack.presets import PRESETS


def test_every_preset_can_be_made():
    for name in PRESETS:
        made = choose(name)
        assert len(made) == len(PRESETS[name]) and len({attack.key for attack in made}) == len(made)


def test_the_budgets_of_sr_gkp_in_pixels():
    """eps .01, .1 and 8/255 of normalised CIFAR images: about .51, 5.1 and 1.6 of 255 levels, PGD
    reaching 1.2.
    """
    cifar = Classifier(nn.Flatten(), Normalise((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)))
    weak, strong, pgd = choose('sr-gkp')
    assert [(a.eps, a.label, a.space, a.clip) for a in (weak, strong)] == [
        (0.01, 'predicted', 'normalised', 'range'),
        (0.1, 'predicted', 'normalised', 'range'),
    ]
    assert pgd == PGD(
        eps=8 / 255, step=2 / 255, steps=3, random_start=False, space='normalised', clip='range'
    )
    x = torch.zeros(1, 3, 32, 32)
    levels = [255 * np.mean(attack.stamp(cifar, x)['eps_pixel']) for attack in (weak, strong, pgd)]
    assert levels == pytest.approx([0.51, 5.12, 1.61], abs=0.01)
    assert 255 * np.mean(pgd.stamp(cifar, x)['reach_pixel']) == pytest.approx(1.2, abs=0.01)
    assert [a.eps for a in choose('sr-gkp-imagenet')] == [0.001, 0.01, 0.1, 4 / 255]
    assert {a.clip for a in choose('sr-gkp-imagenet')} == {'none'}


def test_names_radii_and_fields_can_be_chosen():
    fgsm, one, two = (
        choose('pixel', ['fgsm', 'pgd'], eps=None, seed=4),
        *choose('pixel', ['pgd'], eps=['4/255', 0], steps=3),
    )
    assert fgsm[0] == FGSM(eps=8 / 255, seed=4) and len(fgsm) == 2
    assert one == PGD(eps=4 / 255, step=1 / 255, steps=3, random_start=True) and (
        two.eps,
        two.step,
    ) == (0, 0)
    assert choose('pixel', ['pgd'], eps=[0.1], step='.03')[0].step == 0.03
    assert choose('pixel', ['pgd'], random_start=False)[0].random_start is False
    assert choose('pixel', ['autoattack'], eps=['0.5'], queries=7) == [
        AutoAttack(eps=0.5, queries=7)
    ]
    assert choose('sr-gkp', ['fgsm'], eps=['0.05'], label='true') == [
        FGSM(eps=0.05, space='normalised', clip='range')
    ]
    assert choose('pixel', ['fgsm', 'pgd'], eps=[0.1], steps=2)[0] == FGSM(
        eps=0.1
    )  # FGSM has no steps and goes without


@pytest.mark.parametrize(
    'arguments, sentence',
    [
        (dict(preset='srgkp'), "did you mean 'sr-gkp'"),
        (dict(attacks=['pdg']), "did you mean 'pgd'"),
        (dict(preset='sr-gkp', attacks=['autoattack']), "preset 'sr-gkp' has no autoattack"),
        (dict(space='normalised', attacks=['pgd']), 'give eps as well'),
        (dict(eps=['8/0']), "'8/0' is no number"),
        (dict(eps=['big']), "'big' is no number"),
        (dict(attacks=['fgsm'], steps=3), 'fgsm have no steps'),
        (dict(eps=[-0.1]), 'eps=-0.1'),
        (dict(space='normalised', eps=[0.1]), "knows 'pixel' alone"),
    ],
)
def test_wrong_choices_are_one_sentence(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        choose(**arguments)
