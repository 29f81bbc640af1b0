"""DFPC: all rounds before the training, each with bounds of what is left."""

import json

import pytest

pytest.importorskip('mmengine')
from mmengine.registry import RUNNERS

from mmrobustprune.recipes.build import build_recipe
from tests.support.small import small


def test_it_goes_in_rounds_before_the_first_step_without_data(tmp_path):
    config = small(tmp_path, epochs=1, recipe='dfpc', target=0.5, budget='channels', rounds=3)
    runner = RUNNERS.build(config)
    runner.train()
    rounds = json.loads((tmp_path / 'rounds.json').read_text())
    assert [one['iteration'] for one in rounds] == [0, 0, 0]
    left = [1 - one['removed']['channels'] for one in rounds]
    assert left == pytest.approx([19 / 24, 15 / 24, 12 / 24])  # 24 / 2^(r / 3)
    assert 'weights' not in rounds[0] and 'recalibrated' not in str(rounds)


def test_the_default_takes_about_a_hundredth_at_a_time():
    recipe = build_recipe(dict(recipe='dfpc', target=0.5))
    assert 0.5 ** (1 / recipe.rounds) == pytest.approx(0.99, abs=2e-4)
    assert (recipe.score, recipe.weigh) == (dict(type='DataFlow'), 'none')
