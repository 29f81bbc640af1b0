import pytest

from mmrobustprune.recipes.build import RECIPES, build_recipe


@pytest.mark.parametrize('name', RECIPES)
def test_every_recipe_has_defaults(name):
    needed = dict(snapshots='epoch_*.pth') if name == 'tmi_gkp' else {}
    assert build_recipe(dict(recipe=name, target=0.5, **needed)).target == 0.5


def test_paper_radii_are_the_defaults():
    recipe = build_recipe(dict(recipe='adasap', target=0.5))
    assert recipe.rule == dict(type='AdaSAP', rho_min=0.01, rho_max=2.0, adaptive=True)
    assert recipe.finetune_rule == dict(type='ASAM', rho=2.0, params='weight')
    assert build_recipe(dict(recipe='magnitude', target=0.5)).rule is None


@pytest.mark.parametrize('target', [0, 1, -0.1, 1.5, '0.5', True, None])
def test_targets_outside_the_open_interval_are_refused(target):
    with pytest.raises(ValueError, match=r'not in \(0, 1\)'):
        build_recipe(dict(recipe='adasap', target=target))


@pytest.mark.parametrize(
    'config, message',
    [
        (dict(recipe='adsap', target=0.5), "did you mean 'adasap'"),
        (dict(target=0.5), "unknown robust_prune.recipe 'None'"),
        (dict(recipe='adasap', target=0.5, warmpu=0.1), "did you mean 'warmup'"),
        (dict(recipe='adasap', target=0.5, budget='param'), "did you mean 'params'"),
        (dict(recipe='adasap', target=0.5, scope='global'), "unknown robust_prune.scope 'global'"),
        (dict(recipe='adasap'), 'has no target'),
        (dict(recipe='adasap', target=0.5, rounds=0), 'rounds=0'),
        (dict(recipe='adasap', target=0.5, interval=0), 'interval=0'),
        (dict(recipe='adasap', target=0.5, interval=9, prune=0.3), 'set one of them to None'),
        (dict(recipe='adasap', target=0.5, score=dict(type='Magnitud')), 'Magnitude'),
        (dict(recipe='adasap', target=0.5, ascent='moment'), "did you mean 'momentum'"),
        (dict(recipe='s2ap_harp', target=0.5, ascent='prev'), "unknown ascent 'prev'"),
        (
            dict(recipe='sr_gkp', target=0.5, ascent=dict(type='fresh', k=2)),
            'field of ascent Fresh',
        ),
        (
            dict(recipe='adasap', target=0.5, rule=dict(type='AdaSAP', rho_min=2.0, rho_max=1.0)),
            'rho_min',
        ),
    ],
)
def test_one_sentence_for_each_mistake(config, message):
    with pytest.raises(ValueError, match=message) as error:
        build_recipe(config)
    assert '\n' not in str(error.value)


def test_the_callers_dict_is_left_alone():
    config = dict(recipe='adasap', target=0.5, ignore='backbone.conv1')
    assert build_recipe(config).ignore == ('backbone.conv1',)
    assert config == dict(recipe='adasap', target=0.5, ignore='backbone.conv1')
