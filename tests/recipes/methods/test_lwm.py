"""LWM: the least magnitudes of each layer are masked, and stay zero."""

import json

import pytest
import torch

pytest.importorskip('mmengine')
from mmengine.registry import RUNNERS

from mmrobustprune.recipes.build import build_recipe
from tests.support.small import small


def test_the_mask_is_that_of_the_magnitudes_at_the_start(tmp_path):
    """Three of four weights of each layer go after one step, in which no weight learned."""
    config = small(tmp_path, epochs=1, save=6, recipe='lwm', target=0.75)
    del config.robust_prune['recalibrate']
    runner = RUNNERS.build(config)
    start = {
        name: value.detach().clone()
        for name, value in runner.model.named_parameters()
        if value.dim() > 1
    }
    runner.train()
    weights = torch.load(tmp_path / 'pruned.pth', weights_only=True)['state_dict']
    for name, value in start.items():
        kept = value.numel() - int(0.75 * value.numel())
        least = value.abs().flatten().topk(kept).values.min()
        assert torch.equal(weights[name] != 0, value.abs() >= least), name
    stages = json.loads((tmp_path / 'stages.json').read_text())
    assert [(one['stage'], one['iteration']) for one in stages] == [('search', 0), ('finetune', 1)]
    assert not torch.equal(
        weights['stem.weight'], start['stem.weight'] * (weights['stem.weight'] != 0)
    )


def test_nothing_is_searched():
    recipe = build_recipe(dict(recipe='lwm', target=0.9))
    assert recipe.search_rule() is None and recipe.search_optimizer == dict(lr=0.0)
    with pytest.raises(ValueError, match='search'):
        build_recipe(dict(recipe='lwm', target=0.9, search='5 epochs'))
