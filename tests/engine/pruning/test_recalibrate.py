"""Statistics of BatchNorm computed anew at the removal, in a training."""

import copy
import json

import pytest
import torch
from mmengine.registry import RUNNERS
from mmengine.runner import Runner
from torch import nn

from mmrobustprune.engine.bridge.sampled import sampled_batches
from mmrobustprune.engine.pruning import recalibrate as module
from mmrobustprune.engine.pruning.recalibrate import images_of, recalibrate_network
from mmrobustprune.rng import RandomState
from tests.support.tiny import classifier, pruned


@pytest.fixture
def network(tmp_path):
    """A Runner about to train, its network in no wrapper, its loader."""
    runner = RUNNERS.build(pruned(classifier(tmp_path)))
    return runner.model, Runner.build_dataloader(runner.cfg.train_dataloader, seed=0)


@pytest.mark.parametrize(
    'asked, images',
    [('2000 images', 48), ('10 images', 10), ('2 iters', 16), ('0.5 epochs', 24), ('', 0)],
)
def test_amounts_in_images_are_at_most_one_pass(network, asked, images):
    assert images_of(asked, network[1]) == images


def test_an_iteration_is_a_batch_on_every_process(network, monkeypatch):
    monkeypatch.setattr(module, 'get_world_size', lambda: 3)
    assert images_of('1 iter', network[1]) == 24


def test_the_first_layer_has_the_statistics_of_the_training_images(network):
    model, loader = network
    names = recalibrate_network(model, loader, 48)
    norms = [n for n, layer in model.named_modules() if isinstance(layer, nn.BatchNorm2d)]
    assert sorted(names) == sorted(norms)
    batches = [batch['inputs'].float() for batch in sampled_batches(loader, 48)]
    with torch.no_grad():
        read = model.backbone.conv1((torch.cat(batches) - 100) / 60)
    var, mean = torch.var_mean(read, (0, 2, 3), correction=1)
    torch.testing.assert_close(model.backbone.bn1.running_mean, mean)
    torch.testing.assert_close(model.backbone.bn1.running_var, var)


def trained(folder, **fields):
    recipe = dict(dict(recipe='magnitude', warmup='1 iters'), **fields)
    runner = RUNNERS.build(pruned(classifier(folder, epochs=2), **recipe))
    runner.train()
    return runner, json.loads((folder / 'rounds.json').read_text())


def test_the_last_round_says_what_it_did_and_the_training_draws_the_same(tmp_path):
    _, rounds = trained(tmp_path / 'on')
    after = RandomState.now()
    assert ['metric_recalibrated' in one for one in rounds] == [False, False, True]
    assert rounds[-1]['recalibrated'] == 48
    assert set(rounds[-1]['metric_recalibrated']) == set(rounds[-1]['metric_after'])
    _, without = trained(tmp_path / 'off', recalibrate='')
    assert torch.equal(RandomState.now().torch, after.torch)
    assert 'recalibrated' not in without[-1]
    assert without[-1]['loss_removed'] == rounds[-1]['loss_removed']


def test_a_moving_average_with_statistics_of_its_own_gets_new_ones(tmp_path, monkeypatch):
    seen = []
    core = module.recalibrate_network

    def noted(model, loader, images):
        found = core(model, loader, images)
        seen.append((model, copy.deepcopy(model.state_dict())))
        return found

    monkeypatch.setattr(module, 'recalibrate_network', noted)
    hook = dict(type='EMAHook', update_buffers=True, momentum=0.1)
    config = pruned(
        classifier(tmp_path, epochs=2, custom_hooks=[hook]), recipe='magnitude', warmup='1 iters'
    )
    runner = RUNNERS.build(config)
    runner.train()
    (own, state), (average, other) = seen
    assert own is runner.model and average is not own
    key = 'backbone.bn1.running_mean'
    assert not torch.equal(state[key], other[key])  # those of its own weights


def test_nothing_is_done_where_nothing_can_be_learned(tmp_path, monkeypatch):
    """Frozen statistics, as detectors have them."""

    def taken(*_):
        yield pytest.fail('a batch was taken')

    monkeypatch.setattr(module, 'sampled_batches', taken)
    config = classifier(tmp_path, epochs=2)
    config.model.backbone.update(norm_eval=True)
    runner = RUNNERS.build(pruned(config, warmup='1 iters', rounds=1, interval=2))
    runner.train()
    (record,) = json.loads((tmp_path / 'rounds.json').read_text())
    assert 'recalibrated' not in record and 'metric_recalibrated' not in record
    assert (runner.model.backbone.bn1.running_mean == 0).all()


def test_statistics_that_cannot_be_computed_do_not_end_a_training(tmp_path, monkeypatch):
    def fail(*_):
        raise ValueError('no batch reached any layer.')

    monkeypatch.setattr(module, 'recalibrate_network', fail)
    said = []
    runner = RUNNERS.build(pruned(classifier(tmp_path, epochs=2), warmup='1 iters'))
    runner.logger.warning = lambda text, *rest: said.append(str(text))
    runner.train()
    del runner.logger.warning
    assert ['the BatchNorm statistics stay as they are: no batch reached any layer.'] == [
        line for line in said if 'BatchNorm' in line
    ]
    assert 'recalibrated' not in json.loads((tmp_path / 'rounds.json').read_text())[-1]
