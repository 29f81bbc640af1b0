from mmrobustprune.recipes.build import build_recipe


def test_they_differ_by_the_block_of_the_hessian():
    obd = build_recipe(dict(recipe='obd', target=0.5))
    group = build_recipe(dict(recipe='group_hessian', target=0.5))
    assert (obd.score, group.score) == (
        dict(type='Hessian', per='weight'),
        dict(type='Hessian', per='unit'),
    )
    assert (obd.scope, obd.normalise, obd.per, obd.weigh) == ('network', 'none', 'unit', 'none')
    assert [one.name for one in obd.phases()] == ['warmup', 'prune', 'finetune']
