"""EagleEye: many vectors of rates, the best of them."""

import json

import pytest

pytest.importorskip('mmengine')
from mmengine.registry import RUNNERS

from mmrobustprune.recipes.build import build_recipe
from tests.support.small import small


def test_the_network_has_the_rates_that_were_judged_best(tmp_path):
    config = small(
        tmp_path, epochs=1, save=6, recipe='eagleeye', target=0.5, budget='channels', candidates=4
    )
    runner = RUNNERS.build(config)
    runner.train()
    (record,) = json.loads((tmp_path / 'rounds.json').read_text())
    assert record['iteration'] == 0 and record['removed']['channels'] == 0.5
    losses = record['search']['losses']
    assert len(losses) == 4 and len(set(losses)) > 1
    rates = record['search']['rates']
    lost = dict(
        stem=8 - runner.model.stem.out_channels,
        conv1=6 - runner.model.conv1.out_channels,
        last=10 - runner.model.last.out_channels,
    )
    assert sum(lost.values()) == 12
    shares = {name: lost[name] / units for name, units in dict(stem=8, conv1=6, last=10).items()}
    assert max(rates, key=rates.get) == max(shares, key=shares.get)


def test_rates_are_found_not_given():
    with pytest.raises(ValueError, match='rates'):
        build_recipe(dict(recipe='eagleeye', target=0.5, rates={'conv1': 0.5}))
    with pytest.raises(ValueError, match='neither target'):
        build_recipe(dict(recipe='eagleeye'))
