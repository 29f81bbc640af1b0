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
CHANGES |= {
    'adasap-taylor-p60': dict(score=TAYLOR),
    'adasap-taylor-p24': dict(score=TAYLOR, target=0.24),
    'adasap-p54': dict(target=0.54),
    **{
        f'adasap-p54-warmup{epochs}': dict(target=0.54, warmup=f'{epochs} epochs')
        for epochs in (5, 20, 30)
    },
    'adasap-p80-finetune-sgd': dict(target=0.8, finetune_rule=None),
    'adasap-p80-finetune-adasap': dict(
        target=0.8, finetune_rule=dict(type='AdaSAP', rho_min=0.01, rho_max=2.0, adaptive=True)
    ),
}


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


@pytest.mark.parametrize('network, size', [('mobilenet-v1', 'p44'), ('mobilenet-v2', 'p50')])
def test_the_comparison_of_the_mobilenets(network, size):
    assert (
        changed(read(f'taylor-{size}', network), read(f'adasap-{size}', network)) == ARMS['taylor']
    )


def test_every_arm_is_listed():
    arms = {
        path.name[len('resnet50_8xb128-') : -len('_in1k.py')]
        for path in CONFIGS.glob('resnet50_8xb128-*-p*_in1k.py')
    }
    assert arms == {*CHANGES}
