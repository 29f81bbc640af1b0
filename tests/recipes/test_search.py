import pytest

from mmrobustprune.recipes import build_recipe
from mmrobustprune.sharpness import AWP, S2AP, MaskedAWP


def search(recipe='s2ap_hydra', **fields):
    return build_recipe(dict(recipe=recipe, target=0.9, **fields))


def test_what_is_perturbed_in_the_search():
    assert search(gamma=0.02).search_rule() == S2AP(gamma=0.02)
    assert search(rule=dict(bound='ball')).search_rule() == S2AP(gamma=1e-3, bound='ball')
    weights = search(perturb='weights', gamma=0.02).search_rule()
    assert weights == AWP(gamma=0.02, params=['*.weight.original'])
    assert search(perturb='none').search_rule() is None


def test_the_radius_of_the_fine_tuning():
    assert search().awp_rule() == MaskedAWP(gamma=1e-3)
    assert search(finetune_gamma=0.01).awp_rule() == MaskedAWP(gamma=0.01)
    assert search(finetune_gamma=0).awp_rule() is None
    assert search(perturb='none').awp_rule() is None


def test_hosts_get_the_target_and_what_they_leave_out():
    host = search('s2ap_harp', ignore='head*').build_host()
    assert (type(host).__name__, host.target, host.ignore) == ('HARP', 0.9, ('head*',))
    assert not search().of_channels
    assert search('s2ap_harp', host=dict(type='HARP', form='channel')).of_channels


@pytest.mark.parametrize(
    'fields, message',
    [
        (dict(perturb='score'), "perturb 'score' .did you mean 'scores'"),
        (dict(select='worst'), 'select .worst.; choose among last, best, loss'),
        (dict(host=dict(type='HYDRO')), "did you mean 'HYDRA'"),
        (dict(gamma=-1), 'gamma=-1'),
        (dict(finetune_rule=dict(norm='sparse')), "norm='sparse'"),
    ],
)
def test_wrong_fields_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        search(**fields)
