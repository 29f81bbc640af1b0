import pytest

from mmrobustprune.recipes import build_recipe


@pytest.mark.parametrize(
    'name, method',
    [
        ('adasap', 'AdaSAP'),
        ('adasap_latency', 'AdaSAPLatency'),
        ('magnitude', 'Magnitude'),
        ('taylor', 'Taylor'),
    ],
)
def test_records_name_the_method(name, method):
    assert build_recipe(dict(recipe=name, target=0.5)).method == method


def test_a_latency_recipe_has_the_budget_score_and_rounding_of_halp():
    recipe = build_recipe(dict(recipe='adasap_latency', target=0.5))
    assert (recipe.budget, recipe.score, recipe.round_to) == (
        'latency',
        dict(type='HALPTaylor'),
        8,
    )
    assert recipe.rule['type'] == 'AdaSAP'


@pytest.mark.parametrize(
    'fields, message',
    [
        (dict(scope='layer'), "a latency is that of the whole 'network'"),
        (dict(budget='params'), "unknown robust_prune.budget 'params'"),
        (dict(solver='exakt'), "did you mean 'exact'"),
        (dict(normalise='l1'), "unknown robust_prune.normalise 'l1'"),
        (dict(batch=0), 'batch=0 is no number above 0'),
        (dict(seconds=0.0), 'seconds=0.0 is no number above 0'),
        (dict(per='cost'), "per='cost', weigh='none' and macs=None go with other budgets"),
        (dict(weigh='reads'), "weigh='reads'"),
        (dict(attention='rows'), "unknown robust_prune.attention 'rows'"),
        (dict(min_keep=1), r'min_keep=1 is not in \[0, 1\)'),
    ],
)
def test_wrong_fields_of_a_latency_recipe_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        build_recipe(dict(recipe='adasap_latency', target=0.5, **fields))


def test_units_compete_per_cost_in_groups_that_the_loss_weighs():
    recipe = build_recipe(dict(recipe='adasap', target=0.5))
    assert (recipe.scope, recipe.normalise, recipe.per) == ('network', 'rise', 'cost')
    assert (recipe.weigh, recipe.macs) == ('loss', None)
    assert recipe.score == dict(type='Magnitude', p=2)


@pytest.mark.parametrize(
    'fields, message',
    [
        (dict(normalise='rises'), "did you mean 'rise'"),
        (dict(per='costs'), "did you mean 'cost'"),
        (dict(weigh='losses'), "unknown robust_prune.weigh 'losses'"),
        (dict(scope='isomorph'), "did you mean 'isomorphic'"),
        (dict(macs=1.5), r'in \(0, 1\), not 1.5'),
        (dict(macs=0.3, budget='macs'), "with budget='macs'"),
    ],
)
def test_wrong_rankings_are_refused_in_one_sentence(fields, message):
    with pytest.raises(ValueError, match=message) as error:
        build_recipe(dict(dict(recipe='magnitude', target=0.5), **fields))
    assert '\n' not in str(error.value)
