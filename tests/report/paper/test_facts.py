from dataclasses import dataclass, field

import pytest

from mmrobustprune.recipes import RECIPES, build_recipe
from mmrobustprune.recipes.gradual import AdaSAPLatencyRecipe, Recipe
from mmrobustprune.report.paper.facts import PREFIX, facts_of, fits, read_settings, unlike

GRADUAL = [name for name, recipe in RECIPES.items() if issubclass(recipe, Recipe)]


def test_a_written_config_is_read_and_never_run(tmp_path):
    file = tmp_path / 'a.py'
    file.write_text(
        'x = dict(a=1, b=dict(c=(2, -0.5)), d=None, e=[True])\n'
        "y = open('/tmp/never')\nz = 8 / 255\n"
    )
    assert read_settings(file) == {
        'x': dict(a=1, b=dict(c=[2, -0.5]), d=None, e=[True]),
        'y': None,
        'z': None,
    }


def test_what_is_no_python_is_said(tmp_path):
    (tmp_path / 'a.py').write_text('x = = 1')
    with pytest.raises(
        ValueError, match=r'a\.py is no config \(invalid syntax, line 1\); give the work dir'
    ):
        read_settings(tmp_path / 'a.py')


def test_a_silent_config_takes_what_the_recipe_says():
    facts = facts_of(
        'resnet50_8xb128-adasap-p60_in1k',
        dict(robust_prune=dict(recipe='adasap', target=0.6), train_cfg=dict(max_epochs=90)),
    )
    assert {name: fact for name, fact in facts.items() if not name.startswith(PREFIX)} == dict(
        config='resnet50_8xb128-adasap-p60_in1k',
        net='resnet50',
        data='in1k',
        attack='',
        start='',
        recipe='adasap',
        target=0.6,
        budget='params',
        score='Magnitude',
        rule='AdaSAP + ASAM',
        finetune='ASAM',
        warmup=10.0,
        **{'train_cfg.max_epochs': 90},
    )


def test_fields_of_the_config_go_before_the_recipe():
    facts = facts_of(
        'a_b',
        dict(
            robust_prune=dict(
                recipe='adasap',
                target=0.6,
                rule=dict(type='AdaSAP', adaptive=False),
                finetune_rule=None,
                score=dict(type='Taylor'),
                warmup='20 epochs',
            )
        ),
    )
    assert [facts[key] for key in ('rule', 'finetune', 'score', 'warmup')] == [
        'AdaSAP',
        'SGD',
        'Taylor',
        20.0,
    ]


@pytest.mark.parametrize(
    'given, search, awp',
    [
        (dict(), 'S2AP', True),
        (dict(gamma=0), 'Orig.', False),
        (dict(perturb='none'), 'Orig.', False),
        (dict(perturb='none', finetune_gamma=0.1), 'Orig.', True),
        (dict(perturb='weights'), 'AWP', True),
        (dict(finetune_gamma=0.0), 'S2AP', False),
    ],
)
def test_what_was_perturbed_in_the_search_and_after_it(given, search, awp):
    facts = facts_of('a_b', dict(robust_prune=dict(recipe='s2ap_harp', target=0.9, **given)))
    assert (facts['host'], facts['form'], facts['search'], facts['awp']) == (
        'HARP',
        'weight',
        search,
        awp,
    )


def test_patterns_numbers_and_alternatives_fit():
    facts = dict(
        config='ssd512_r50_voc0712', target=0.571, rule='SAM', awp=False, attack='', seed=None
    )
    for where in (
        dict(config='ssd512_r50*'),
        dict(target=0.57),
        dict(rule=('SGD', 'SAM')),
        dict(awp=False),
        dict(attack='*'),
    ):
        assert fits(facts, where)
    for where in (
        dict(target=0.58),
        dict(awp=True),
        dict(attack='?*'),
        dict(rule='AdaSAP*'),
        dict(host='HARP'),
        dict(awp=0.0),
    ):
        assert not fits(facts, where)


@pytest.mark.parametrize('name', GRADUAL)
def test_a_silent_config_and_one_that_says_every_default_are_the_same_run(name):
    recipe = build_recipe(dict(recipe=name, target=0.5))
    said = {key: value for key, value in vars(recipe).items() if key != 'prune'}
    silent = dict(recipe=name, target=0.5)
    whole = dict(max_epochs=90)
    facts = facts_of('a_b', dict(robust_prune=silent, train_cfg=whole))
    assert facts == facts_of('a_b', dict(robust_prune=dict(said, recipe=name), train_cfg=whole))
    assert facts['budget'] == recipe.budget and facts['score'] == recipe.score['type']
    assert facts['warmup'] == pytest.approx(90 * recipe.warmup)


@dataclass(frozen=True)
class OtherLatency(AdaSAPLatencyRecipe):
    score: dict = field(default_factory=lambda: dict(type='Taylor'))
    rule: dict | None = None
    finetune_rule: dict | None = field(default_factory=lambda: dict(type='SAM', rho=0.1))
    warmup: float | str = '7 epochs'
    solver: str = 'linearised'


@dataclass(frozen=True)
class OtherHarp(RECIPES['s2ap_harp']):
    host: dict = field(default_factory=lambda: dict(type='HYDRA', form='channel'))
    gamma: float = 0.5
    perturb: str = 'weights'
    finetune_gamma: float | None = 0.0
    warmup: float | str = 0


def test_facts_follow_the_defaults_of_the_recipes(monkeypatch):
    monkeypatch.setitem(RECIPES, 'adasap_latency', OtherLatency)
    monkeypatch.setitem(RECIPES, 's2ap_harp', OtherHarp)
    facts = facts_of('a_b', dict(robust_prune=dict(recipe='adasap_latency', target=0.5)))
    names = ('budget', 'score', 'rule', 'finetune', 'warmup', 'solver')
    assert [facts[name] for name in names] == [
        'latency',
        'Taylor',
        'SGD',
        'SAM',
        7.0,
        'linearised',
    ]
    facts = facts_of('a_b', dict(robust_prune=dict(recipe='s2ap_harp', target=0.5)))
    names = ('host', 'form', 'gamma', 'search', 'awp', 'warmup')
    assert [facts[name] for name in names] == ['HYDRA', 'channel', 0.5, 'AWP', False, False]


def test_the_defaults_of_a_search():
    facts = facts_of('a_b', dict(robust_prune=dict(recipe='s2ap_rlth', target=0.9)))
    names = ('host', 'form', 'gamma', 'perturb', 'search', 'awp', 'warmup')
    expected = ['RLTH', 'weight', 1e-3, 'scores', 'S2AP', True, True]
    assert [facts[name] for name in names] == expected


def test_the_choices_of_grouped_kernels():
    facts = facts_of('a_b', dict(robust_prune=dict(recipe='sr_gkp', target=0.5)))
    names = ('recipe', 'target', 'search', 'grouping', 'groups', 'layers', 'alpha')
    assert [facts[name] for name in names] == ['sr_gkp', 0.5, 'beam', 'snaking', 8, '3x3', 0.9]
    given = dict(
        recipe='sr_gkp_all', target=0.5, search=dict(type='official', alpha=0.5), layers=('a', 'b')
    )
    facts = facts_of('a_b', dict(robust_prune=given))
    assert [facts[name] for name in names[2:]] == ['official', 'snaking', 8, 'a, b', 0.5]
    facts = facts_of('a_b', dict(robust_prune=dict(recipe='sr_gkp', target=0.5, search='l2')))
    assert facts['alpha'] is None


def test_every_field_and_the_weights_at_the_start_are_facts():
    recipe = dict(recipe='adasap', target=0.5, rule=dict(type='AdaSAP', rho_max=3.0), rounds=1)
    facts = facts_of('a_b', dict(robust_prune=recipe, load_from='/x/dense-seed1/epoch_90.pth'))
    assert facts['start'] == 'dense/epoch_90.pth'
    expected = {'rule.rho_max': 3.0, 'rule.rho_min': 0.01, 'rounds': 1, 'finetune_rule.rho': 2.0}
    assert {name: facts[PREFIX + name] for name in expected} == expected
    assert facts_of('a_b', dict(load_from='https://there/weights.pth'))['start'] == (
        'there/weights.pth'
    )


def test_how_a_network_was_trained_tells_runs_apart_where_both_say_it():
    def trained(lr=0.1, epochs=90, **loss):
        settings = dict(
            model=dict(backbone=dict(depth=18), robust_loss=dict(type='TRADES', **loss)),
            optim_wrapper=dict(optimizer=dict(type='SGD', lr=lr)),
            param_scheduler=[dict(type='MultiStepLR', milestones=[30, 60])],
            train_cfg=dict(max_epochs=epochs),
            train_dataloader=dict(batch_size=128, num_workers=2),
        )
        return facts_of('a_b', settings)

    facts = trained()
    assert facts['param_scheduler.0.milestones'] == [30, 60]
    assert facts['train_dataloader.batch_size'] == 128
    assert not any('num_workers' in name or 'depth' in name for name in facts)
    assert unlike(facts, trained() | dict(seed=1)) == []
    assert unlike(facts, trained(lr=0.2, beta=6.0)) == [
        'model.robust_loss.beta',
        'optim_wrapper.optimizer.lr',
    ]
    assert unlike(facts, trained(epochs=30)) == ['train_cfg.max_epochs']
    older = {name: fact for name, fact in facts.items() if '.' not in name}
    assert unlike(older, trained(epochs=30)) == []
    assert unlike(dict(older, net='x'), facts) == ['net']
