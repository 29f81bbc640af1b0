"""What a pruning asks of samples of the training data."""

import pytest
import torch

pytest.importorskip('mmengine')
from mmengine.registry import RUNNERS

from mmrobustprune.scores import SCORES, FeatureMaps
from tests.support.small import small


class Counting(FeatureMaps):
    """How many images each look saw, and what the weights were."""

    looks = []

    def values(self, maps):
        return maps.mean((1, 2))

    def look(self, model, groups, losses):
        losses = list(losses)
        self.looks.append((len(losses), model.training, model.stem.weight.detach().clone()))
        super().look(model, groups, losses)


@pytest.mark.parametrize('recipe, looks', [('magnitude', 2), ('greg1', 1)])
def test_a_score_is_shown_its_images_before_every_choice(tmp_path, monkeypatch, recipe, looks):
    """Two rounds, or one choice before the penalty; 6 images are two batches of 4."""
    monkeypatch.setitem(SCORES, 'Counting', Counting)
    monkeypatch.setattr(Counting, 'looks', [])
    fields = dict(rounds=2, interval=2, warmup=0, budget='channels', scope='layer', weigh='none')
    if recipe == 'greg1':
        fields = dict(coupled=True, delta=0.1, budget='channels')
    config = small(
        tmp_path,
        epochs=2,
        save=12,
        recipe=recipe,
        target=0.5,
        score=dict(type='Counting', images=6),
        **fields,
    )
    runner = RUNNERS.build(config)
    runner.train()
    assert [(count, training) for count, training, _ in Counting.looks] == [(2, False)] * looks
    if looks == 2:
        assert not torch.equal(Counting.looks[0][2], Counting.looks[1][2])
    assert runner.model.last.out_channels == 5
