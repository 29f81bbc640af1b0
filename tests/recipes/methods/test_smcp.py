import pytest

from mmrobustprune.masks import InputMaskSet
from mmrobustprune.recipes.build import build_recipe


def test_it_is_halp_whose_channels_may_come_back():
    recipe = build_recipe(dict(recipe='smcp', target=0.5, soft='3 epochs'))
    assert (recipe.masks, recipe.score) == (InputMaskSet, dict(type='InputTaylor'))
    assert recipe.gradual and recipe.budgets == ('latency',)
    soft, finetune = recipe.phases()
    assert (soft.length, soft.rounds, finetune.name) == ('3 epochs', '320 iters', 'finetune')


def test_fields_that_the_method_leaves_no_choice_of_are_unknown():
    for fields in (dict(rounds=3), dict(rule=dict(type='SAM')), dict(warmup=0.1)):
        with pytest.raises(ValueError, match=f'robust_prune.*{list(fields)[0]}'):
            build_recipe(dict(recipe='smcp', target=0.4, **fields))


def test_a_pace_needs_a_unit():
    with pytest.raises(ValueError, match='every=4 has no unit; say how long filters learn'):
        build_recipe(dict(recipe='smcp', target=0.5, every=4))
