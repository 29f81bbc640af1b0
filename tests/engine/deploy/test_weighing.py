"""The loss by which a one-shot surgery weighs groups."""

import pytest
import torch

from mmrobustprune.engine.deploy import weighing
from mmrobustprune.engine.deploy.oneshot import OneShot
from mmrobustprune.engine.deploy.weighing import weighing_loss
from mmrobustprune.recipes.build import build_recipe
from tests.support.tiny import quick


def recipe(**fields):
    return build_recipe(dict(recipe='magnitude', target=0.3, **fields))


def test_it_sees_the_statistics_that_the_smaller_network_will_have(network):
    config, _, model = network
    new = weighing_loss(config, recipe())
    old = weighing_loss(config, recipe(recalibrate=''))
    before = new(model), old(model)
    with torch.no_grad():
        model.backbone.bn1.running_mean += 3
    assert new(model) == before[0] and old(model) != before[1]


def test_a_checkpoint_is_pruned_by_it(dense):
    one = OneShot(*dense, (16, 16), 'magnitude', 0.3, weigh='loss')
    assert one.structure.achieved['params'] >= 0.3


def test_a_network_is_weighed_where_it_is_fastest(dense, monkeypatch):
    moved = []

    class Network(torch.nn.Linear):
        def to(self, device):
            moved.append(device)
            return self

    monkeypatch.setattr(weighing, 'get_device', lambda: 'a GPU')
    monkeypatch.setattr(weighing, 'sampled_loss', lambda *args, **kwargs: lambda model: len(moved))
    assert weighing_loss(dense[0], recipe())(Network(1, 1)) == 1 and moved == ['a GPU']


def test_no_other_ranking_asks_for_data(dense):
    assert weighing_loss(quick({}), recipe(weigh='scores')) is None


def test_without_a_training_set_one_sentence_says_so(dense):
    config = quick(dense[0].to_dict())
    config.train_dataloader = None
    with pytest.raises(ValueError, match='the config has no train_dataloader; give it one, or'):
        weighing_loss(config, recipe())
