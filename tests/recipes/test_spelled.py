"""A recipe written out: what is silent and what says the defaults are the same."""

from mmrobustprune.recipes import build_recipe
from mmrobustprune.recipes.spelled import defaults, spelled_out


def test_nested_fields_stand_under_dotted_names_with_their_defaults():
    found = spelled_out(dict(recipe='adasap', target=0.5, rule=dict(type='SAM'), ratios={'a*': 0}))
    expected = {
        'target': 0.5,
        'budget': 'params',
        'rule.type': 'SAM',
        'rule.rho': 0.05,
        'rule.params': 'all',
        'finetune_rule.eta': 0.01,  # of ASAM, which the recipe's own default does not say
        'score.p': 2,
        'ignore': [],
        'ratios.a*': 0,
    }
    assert expected.items() <= found.items()


def test_saying_every_default_changes_nothing():
    for name in ('adasap', 'adasap_latency', 's2ap_harp', 'sr_gkp'):
        given = dict(recipe=name, target=0.5)
        said = dict(given, **vars(build_recipe(given)))
        assert spelled_out(said) == spelled_out(given)


def test_what_is_not_known_is_taken_as_it_is_said():
    given = dict(recipe='mine', target=0.5, rule=dict(type='Mine', a=dict(b=1)), other=None)
    assert spelled_out(given) == {
        'recipe': 'mine',
        'target': 0.5,
        'rule.type': 'Mine',
        'rule.a.b': 1,
        'other': None,
    }


def test_defaults_of_classes_that_are_no_dataclasses():
    class Score:
        def __init__(self, name, batches=4):
            pass

    assert defaults(Score) == dict(batches=4) and defaults(None) == {}
