"""RAP-ADMM beside SFP: what differs, and that it trains under the pull."""

import json

import pytest
import torch

pytest.importorskip('mmengine')
from mmengine.registry import RUNNERS

from mmrobustprune.recipes.build import build_recipe
from tests.support.small import small


def test_it_is_sfp_under_a_pull():
    ours = vars(build_recipe(dict(recipe='rap_admm', target=0.4)))
    sfp = vars(build_recipe(dict(recipe='sfp', target=0.4)))
    differ = {name for name in ours if ours[name] != sfp.get(name, 'not there')}
    assert differ == {'soft', 'every', 'rho'}
    with pytest.raises(ValueError, match='rho=-1 is below 0 and would push'):
        build_recipe(dict(recipe='rap_admm', target=0.4, rho=-1))


def test_a_strong_pull_leaves_little_to_remove(tmp_path):
    asked = dict(target=0.5, budget='channels', soft='18 iters', every='3 iters', measure=False)
    sides = {}
    for rho in (0.0, 20.0):
        folder = tmp_path / f'{rho:g}'
        torch.manual_seed(0)
        config = small(folder, epochs=4, recipe='rap_admm', rho=rho, **asked)
        runner = RUNNERS.build(config)
        runner.train()
        last = json.loads((folder / 'rounds.json').read_text())[-1]
        assert last['removed']['channels'] == 0.5 and last['surgery_error'] < 1e-4
        sides[rho] = abs(last['loss_after'] - last['loss_before'])
    assert sides[20.0] < 0.5 * sides[0.0]
