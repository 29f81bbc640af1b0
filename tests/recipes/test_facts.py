"""The checklist of the methods."""

from dataclasses import asdict

from mmrobustprune.recipes import RECIPES, Facts, checklist


def test_every_recipe_has_a_checklist_of_its_own():
    found = checklist()
    assert found.keys() == RECIPES.keys()
    assert {one.unit for one in found.values()} <= {'channel', 'grouped kernel', 'weight'}
    assert {one.result for one in found.values()} <= {'removed', 'masked'}
    for facts in found.values():
        assert all((asdict(facts) | dict(setup='said')).values()), facts


def test_what_is_removed_is_in_the_checklist():
    found = checklist()
    assert found['sr_gkp'] == Facts('Zhong et al., NeurIPS 2023', 'grouped kernel')
    assert (found['s2ap_hydra'].unit, found['s2ap_hydra'].result) == ('weight', 'masked')
    assert found['taylor'].data == 'gradients of the training'
