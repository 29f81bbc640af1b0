from mmrobustprune.recipes.build import build_recipe


def test_it_is_the_latency_recipe_under_plain_training_with_a_linearised_step():
    halp = build_recipe(dict(recipe='halp', target=0.5))
    adasap = build_recipe(dict(recipe='adasap_latency', target=0.5))
    apart = {name for name in vars(halp) if getattr(halp, name) != getattr(adasap, name)}
    assert apart == {'rule', 'finetune_rule', 'solver', 'min_keep', 'warmup'}
    assert (halp.rule, halp.finetune_rule, halp.solver) == (None, None, 'linearised')
    assert halp.score == dict(type='HALPTaylor')
