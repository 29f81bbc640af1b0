import pytest

from mmrobustprune.recipes import Phase, build_recipe


def phases(recipe, **fields):
    return build_recipe(dict(recipe=recipe, target=0.5, **fields)).phases()


def test_gradual_recipes_warm_up_prune_in_rounds_and_fine_tune():
    wide = dict(type='AdaSAP', rho_min=0.01, rho_max=2.0, adaptive=True)
    narrow = dict(type='ASAM', rho=2.0, params='weight')
    assert phases('adasap', warmup='2 epochs', rounds=4, interval=25) == (
        Phase('warmup', '2 epochs', 0, wide),
        Phase('prune', '100 iters', 4, wide),
        Phase('finetune', None, 0, narrow),
    )


@pytest.mark.parametrize('recipe', ['adasap', 'adasap_latency', 'magnitude', 'taylor'])
def test_a_given_length_of_the_pruning_takes_the_place_of_intervals(recipe):
    warmup, prune, finetune = phases(recipe, rounds=7, prune=0.25)
    assert (prune.name, prune.length, prune.rounds) == ('prune', 0.25, 7)
    assert (warmup.length, finetune.length) == (1 / 9, None)


def test_grouped_kernels_only_fine_tune():
    rule = dict(type='SAM', rho=0.1)
    assert phases('sr_gkp', finetune_rule=rule) == (Phase('finetune', rule=rule),)


def test_a_search_of_masks_pretrains_searches_and_fine_tunes():
    lengths = [(p.name, p.length) for p in phases('s2ap_hydra', pretrain=0.5, search='3 epochs')]
    assert lengths == [('pretrain', 0.5), ('search', '3 epochs'), ('finetune', None)]
    assert [p.length for p in phases('s2ap_rlth')] == [0, None, None]
