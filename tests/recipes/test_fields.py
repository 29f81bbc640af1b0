import pytest

from mmrobustprune.recipes.build import build_recipe
from mmrobustprune.recipes.fields import check_choice, check_rules, check_target


@pytest.mark.parametrize('target', [1e-6, 0.5, 0.999])
def test_fractions_inside_the_open_interval_are_targets(target):
    check_target(target)


@pytest.mark.parametrize('target', [0, 1, -0.5, True, '0.5', None])
def test_everything_else_is_refused(target):
    with pytest.raises(ValueError, match=r'is not in \(0, 1\); it is the fraction removed'):
        check_target(target)


def test_a_choice_names_the_nearest_one():
    check_choice('scope', 'layer', ('network', 'layer'))
    with pytest.raises(ValueError, match=r"robust_prune.scope 'layers' \(did you mean 'layer'\?\)"):
        check_choice('scope', 'layers', ('network', 'layer'))


@pytest.mark.parametrize(
    'recipe, field',
    [
        ('greg1', 'delta'),
        ('greg2', 'separate_delta'),
        ('hrank', 'turns'),
        ('eagleeye', 'candidates'),
        ('slimming', 'strength'),
        ('polarisation', 'most'),
    ],
)
@pytest.mark.parametrize('value', [0, -1, 'much', float('nan')])
def test_numbers_of_methods_are_above_zero(recipe, field, value):
    with pytest.raises(ValueError, match=f'robust_prune.{field}={value!r} is no number above 0'):
        build_recipe({'recipe': recipe, 'target': 0.5, field: value})


def test_rules_are_built_once_to_be_sure():
    check_rules(None, dict(type='SAM', rho=0.05))
    with pytest.raises(ValueError, match='rho=-1'):
        check_rules(None, dict(type='SAM', rho=-1))
