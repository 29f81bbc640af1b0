"""Rules from configuration dicts."""

import pytest

from mmrobustprune.sharpness import ASAM, SAM, AdaSAP, build_rule


def test_a_dict_names_its_rule_or_takes_the_default():
    assert build_rule(dict(type='ASAM', rho=1.0)) == ASAM(rho=1.0)
    assert build_rule(dict(type=SAM)) == SAM()
    assert build_rule(dict(rho_max=1.0), default='AdaSAP') == AdaSAP(rho_max=1.0)
    assert build_rule(None) is None
    rule = SAM()
    assert build_rule(rule) is rule
    inherited = dict(type='SAM', _scope_='mmdet')  # what mmengine makes of an inherited dict
    assert build_rule(inherited) == SAM()


def test_the_dict_is_left_alone():
    config = dict(type='SAM', rho=0.1)
    build_rule(config)
    assert config == dict(type='SAM', rho=0.1)


@pytest.mark.parametrize(
    'config, error, words',
    [
        (dict(type='AdaSap'), ValueError, "did you mean 'AdaSAP'"),
        (dict(type='AdaSAP', rhomax=1), ValueError, "did you mean 'rho_max'"),
        (dict(type='SAM', judged=True), ValueError, "unknown field of rule SAM 'judged'"),
        (dict(type=dict), ValueError, 'SAM, ASAM, AdaSAP, AWP'),
        (0.05, TypeError, '0.05 is no rule'),
    ],
)
def test_mistakes_are_named(config, error, words):
    with pytest.raises(error, match=words):
        build_rule(config)
