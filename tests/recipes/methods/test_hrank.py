"""HRank: the ranks of the dense network, layer after layer."""

import json

import pytest

pytest.importorskip('mmengine')
from mmengine.registry import RUNNERS

from mmrobustprune.recipes.build import build_recipe
from tests.support.small import small


def test_layers_lose_their_filters_one_after_the_other(tmp_path):
    """Groups stem, conv1 and last, in three turns of 6 iterations."""
    config = small(
        tmp_path,
        save=24,
        recipe='hrank',
        rates=dict(stem=0.5, conv1=0.5, last=0.3),
        coupled=True,
        turns=3,
        length='3 epochs',
    )
    runner = RUNNERS.build(config)
    runner.train()
    rounds = json.loads((tmp_path / 'rounds.json').read_text())
    assert [one['iteration'] for one in rounds] == [6, 12, 18]
    units = [round(24 * one['removed']['channels']) for one in rounds]
    assert units == [4, 7, 10]
    assert (runner.model.stem.out_channels, runner.model.conv1.out_channels) == (4, 3)
    assert runner.model.last.out_channels == 7


def test_what_goes_is_chosen_at_the_start():
    turns, finetune = build_recipe(dict(recipe='hrank', target=0.5, turns=5)).phases()
    assert turns.chooses and turns.rounds == 5 and finetune.length is None
