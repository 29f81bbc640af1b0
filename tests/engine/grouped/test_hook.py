"""Grouped-kernel pruning as a recipe: once before training, resumed, read by stock tools."""

import json

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from mmengine.runner import Runner
from mmpretrain.apis import get_model

from mmrobustprune.dependency.grouped_conv import GroupedKernelConv2d
from mmrobustprune.engine import PruneRunner
from mmrobustprune.engine.deploy.export import export_checkpoint
from mmrobustprune.recipes.build import build_recipe
from tests.support.tiny import classifier, detector, quick


def grouped(config, **recipe):
    config = quick(config.to_dict())
    config.runner_type = 'mmrobustprune.PruneRunner'
    config.robust_prune = dict(
        dict(recipe='sr_gkp', target=0.5, groups=4, search='greedy'), **recipe
    )
    return config


@pytest.fixture(scope='module')
def dense(tmp_path_factory):
    """A dense classifier with the checkpoint of every epoch."""
    folder = tmp_path_factory.mktemp('dense')
    config = classifier(folder, epochs=2)
    Runner.from_cfg(config).train()
    return folder


def weights(path):
    return torch.load(path, weights_only=True)['state_dict']


def test_a_run_cuts_once_and_fine_tunes(dense, tmp_path):
    config = grouped(classifier(tmp_path, epochs=2, load_from=str(dense / 'epoch_2.pth')))
    runner = PruneRunner.from_cfg(config)
    runner.train()
    layers = {
        name: module
        for name, module in runner.model.named_modules()
        if isinstance(module, GroupedKernelConv2d)
    }
    assert {(conv.out_channels, conv.form) for conv in layers.values()} == {
        (8, 'dense'),
        (16, 'dense'),
        (32, 'dense'),
        (64, 'grouped'),
    }  # groups of fewer than 16 filters, on a CPU
    assert len(layers) == 16 and all(name.startswith('backbone.layer') for name in layers)
    assert {conv.weight.shape[0] for conv in layers.values()} == {8, 16, 32, 64}
    before = sum(value.numel() for value in weights(dense / 'epoch_2.pth').values())
    assert sum(parameter.numel() for parameter in runner.model.parameters()) < 0.6 * before
    (record,) = json.loads((tmp_path / 'rounds.json').read_text())
    assert record['removed']['kernels'] == 0.5 and record['loss_before'] != record['loss_after']
    decisions = json.loads((tmp_path / 'decisions.json').read_text())
    assert [one['layer'] for one in decisions] == list(layers) and all(
        len(one['kept']) == 4 for one in decisions
    )
    init_default_scope('mmpretrain')
    model = get_model(Config.fromfile(tmp_path / 'pruned.py'), str(tmp_path / 'pruned.pth'))
    for name, value in runner.model.state_dict().items():
        assert torch.equal(model.state_dict()[name], value.cpu()), name


@pytest.mark.parametrize('form', ['grouped', 'dense', 'fastest'])
def test_exported_forms_compute_the_same(dense, tmp_path, form):
    runner = PruneRunner.from_cfg(
        grouped(classifier(tmp_path, epochs=1, load_from=str(dense / 'epoch_2.pth')))
    )
    runner.train()
    export_checkpoint(
        Config.fromfile(tmp_path / 'pruned.py'),
        str(tmp_path / 'pruned.pth'),
        tmp_path / 'out',
        form,
        (16, 16),
    )
    stock = Config.fromfile(tmp_path / 'out' / 'model.py')
    model = MODELS.build(stock.model)
    model.load_state_dict(weights(tmp_path / 'out' / 'model.pth'))
    if form != 'fastest':
        assert any(isinstance(module, GroupedKernelConv2d) for module in model.modules()) == (
            form == 'grouped'
        )
        assert (stock.model.type == 'ImageClassifier') == (
            form == 'dense'
        )  # stock tools without this project
    images = torch.randn(4, 3, 16, 16)
    with torch.no_grad():
        expected, found = [net.eval()(images, mode='tensor') for net in (runner.model, model)]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_a_resumed_run_ends_with_the_same_weights_and_is_not_cut_again(dense, tmp_path):
    load = str(dense / 'epoch_2.pth')
    whole = PruneRunner.from_cfg(grouped(classifier(tmp_path / 'whole', epochs=2, load_from=load)))
    whole.train()
    first = grouped(classifier(tmp_path / 'part', epochs=2, load_from=load))
    runner = PruneRunner.from_cfg(first)

    class StopError(Exception):
        pass

    def stop(*args, **kwargs):
        if runner.iter == 8:
            raise StopError

    runner.hooks[-1].after_train_iter = stop
    with pytest.raises(StopError):
        runner.train()
    again = grouped(classifier(tmp_path / 'part', epochs=2, load_from=load))
    again.resume = True
    again.load_from = None
    resumed = PruneRunner.from_cfg(again)
    assert any(isinstance(module, GroupedKernelConv2d) for module in resumed.model.modules())
    resumed.train()
    for (name, a), b in zip(
        whole.model.state_dict().items(), resumed.model.state_dict().values(), strict=True
    ):
        assert torch.equal(a, b), name


def test_a_sharpness_rule_for_the_fine_tuning(dense, tmp_path):
    config = grouped(
        classifier(tmp_path, epochs=1, load_from=str(dense / 'epoch_2.pth')),
        finetune_rule=dict(type='SAM', rho=0.05),
    )
    runner = PruneRunner.from_cfg(config)
    runner.train()
    assert type(runner.optim_wrapper.rule).__name__ == 'SAM'


def test_tmi_reads_the_snapshots_of_an_earlier_training(dense, tmp_path):
    config = grouped(
        classifier(tmp_path, epochs=1, load_from=str(dense / 'epoch_2.pth')),
        recipe='tmi_gkp',
        search='tmi',
        snapshots=str(dense / 'epoch_*.pth'),
        snapshot_epochs=(1, 2),
    )
    PruneRunner.from_cfg(config).train()
    assert 'TMI' in json.loads((tmp_path / 'structure.json').read_text())['method']


@pytest.mark.slow
def test_the_backbone_of_a_detector(tmp_path):
    config = grouped(detector(tmp_path / 'run', tmp_path / 'shapes', epochs=1))
    runner = PruneRunner.from_cfg(config)
    runner.train()
    layers = [
        name
        for name, module in runner.model.named_modules()
        if isinstance(module, GroupedKernelConv2d)
    ]
    assert layers and all(name.startswith('backbone.') for name in layers)


@pytest.mark.parametrize(
    'fields, message',
    [
        (dict(search='bem'), 'beam'),
        (dict(grouping='tmi'), 'TMI alone needs them'),
        (dict(snapshots='a.pth'), 'TMI alone'),
        (dict(snapshot_epochs=(70, 35)), 'no first and last epoch'),
        (dict(target=1.5), r'not in \(0, 1\)'),
        (dict(group=4), "did you mean 'groups'"),
        (dict(warmup=0.1), "unknown field of robust_prune 'warmup'"),
        (dict(form='fast'), 'fastest, grouped, dense'),
        (dict(finetune_rule=dict(type='SAN')), 'SAM'),
    ],
)
def test_one_sentence_for_each_mistake(fields, message):
    with pytest.raises(ValueError, match=message) as error:
        build_recipe({**dict(recipe='sr_gkp', target=0.5), **fields})
    assert '\n' not in str(error.value)


def test_what_cannot_be_cut_is_one_sentence_and_changes_nothing(dense, tmp_path):
    config = grouped(classifier(tmp_path, epochs=1, load_from=str(dense / 'epoch_2.pth')), groups=7)
    runner = PruneRunner.from_cfg(config)
    with pytest.raises(ValueError, match='groups=7 does not divide the 8 filters'):
        runner.train()
    assert not (tmp_path / 'structure.json').exists() and not list(tmp_path.glob('epoch_*'))


def test_a_pruned_checkpoint_is_not_cut_again(dense, tmp_path):
    load = str(dense / 'epoch_2.pth')
    PruneRunner.from_cfg(grouped(classifier(tmp_path / 'a', epochs=1, load_from=load))).train()
    runner = PruneRunner.from_cfg(
        grouped(classifier(tmp_path / 'b', epochs=1, load_from=str(tmp_path / 'a' / 'epoch_1.pth')))
    )
    with pytest.raises(ValueError, match='is pruned already'):
        runner.train()
