"""The comparison matrix: every arm is AdaSAP's experiment but for what its name says."""

import functools
from dataclasses import fields
from itertools import product
from pathlib import Path

import pytest
from mmengine.config import Config

import mmrobustprune.engine  # noqa: F401  knows `mmrobustprune::`
from mmrobustprune.recipes.build import build_recipe

WEIGHT = dict(params='weight')  # not all that moves in SAM as published
CONFIGS = Path(__file__).parents[2] / 'configs' / 'adasap'
TAYLOR = dict(type='Taylor')
SAM = dict(type='SAM', rho=0.05)
ASAM = dict(type='ASAM', rho=2.0)
ARMS = {
    'magnitude': dict(rule=None, finetune_rule=None),
    'taylor': dict(rule=None, finetune_rule=None, score=TAYLOR),
    'sam': dict(rule=SAM | WEIGHT, finetune_rule=SAM | WEIGHT, score=TAYLOR),
    'asam': dict(rule=ASAM | WEIGHT, score=TAYLOR),  # the last phase is AdaSAP's own
    'adasap': {},
    'adasap-sam': dict(
        rule=dict(type='AdaSAP', rho_min=0.01, rho_max=0.1, adaptive=False),
        finetune_rule=SAM | WEIGHT,
    ),
}
CHANGES = {}
for (arm, fields_of_arm), size in product(ARMS.items(), (24, 60, 80)):
    target = {} if size == 60 else dict(target=size / 100)
    CHANGES[f'{arm}-p{size}'] = dict(fields_of_arm, **target)
WITHOUT = ARMS['adasap-sam']
CHANGES |= {
    'taylor-p58': dict(ARMS['taylor'], target=0.58),
    'adasap-sam-p58': dict(WITHOUT, target=0.58),
    'adasap-sam-taylor-p58': dict(WITHOUT, score=TAYLOR, target=0.58),
    'adasap-sam-taylor-p24': dict(WITHOUT, score=TAYLOR, target=0.24),
    'adasap-sam-p80-finetune-sgd': dict(WITHOUT, target=0.8, finetune_rule=None),
    'adasap-sam-p80-finetune-adasap': dict(WITHOUT, target=0.8, finetune_rule=WITHOUT['rule']),
}
CHANNELS = dict(WITHOUT, target=0.32, budget='channels')


@functools.cache
def read(name, network='resnet50'):
    """The recipe of an experiment, and all the rest of it."""
    config = Config.fromfile(CONFIGS / f'{network}_8xb128-{name}_in1k.py').to_dict()
    return build_recipe(config.pop('robust_prune')), config


def changed(arm, own):
    """Fields of an arm's recipe that are not AdaSAP's own; all else agrees."""
    (recipe, rest) = arm
    (ours, our_rest) = own
    assert rest == our_rest
    return {
        f.name: getattr(recipe, f.name)
        for f in fields(recipe)
        if getattr(recipe, f.name) != getattr(ours, f.name)
    }


@pytest.mark.parametrize('name', CHANGES)
def test_an_arm_differs_from_adasap_by_what_it_names_only(name):
    assert changed(read(name), read('adasap-p60')) == CHANGES[name]


def test_the_warm_ups_differ_in_their_length_only():
    own = read('adasap-p60')
    assert changed(read('adasap-sam-c32'), own) == CHANNELS
    for epochs in (5, 20, 30):
        arm = read(f'adasap-sam-c32-warmup{epochs}')
        assert changed(arm, own) == dict(CHANNELS, warmup=f'{epochs} epochs')


@pytest.mark.parametrize(
    'network, size, target',
    [
        ('mobilenet-v1', 'p44', 0.44),
        ('mobilenet-v1', 'p48', 0.48),
        ('mobilenet-v1', 'p61', 0.61),
        ('mobilenet-v2', 'p12', 0.12),
        ('mobilenet-v2', 'p28', 0.28),
    ],
)
def test_the_comparison_of_the_mobilenets(network, size, target):
    ours = read(f'adasap-sam-{size}', network)
    assert ours[0].target == target
    assert (ours[0].rule, ours[0].finetune_rule) == (WITHOUT['rule'], WITHOUT['finetune_rule'])
    assert changed(read(f'taylor-{size}', network), ours) == ARMS['taylor']


@pytest.mark.parametrize(
    'name, network, speed',
    [
        ('sam-latency-1.70x', 'mobilenet-v1', 1.70),
        ('sam-latency-2.33x', 'mobilenet-v1', 2.33),
        ('sam-latency-1.39x', 'mobilenet-v2', 1.39),
        ('sam-latency-1.81x', 'mobilenet-v2', 1.81),
        ('latency-2x', 'resnet50', 2.0),
    ],
)
def test_halp_is_the_linearised_step_under_plain_training(name, network, speed):
    ours = read(f'adasap-{name}', network)
    assert ours[0].target == pytest.approx(1 - 1 / speed)
    halp = read(f'halp-{name.removeprefix("sam-")}', network)
    plain = dict(rule=None, finetune_rule=None)
    assert changed(halp, ours) == dict(plain, solver='linearised')


def test_every_arm_is_listed():
    arms = {
        path.name[len('resnet50_8xb128-') : -len('_in1k.py')]
        for path in CONFIGS.glob('resnet50_8xb128-*-p[0-9]*_in1k.py')
    }
    assert arms == {*CHANGES}
