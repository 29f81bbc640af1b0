"""The Runner base: pruned checkpoints start a training, weights must fit in a test."""

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import RUNNERS

from mmrobustprune.engine.bridge import checkpoint as bridge
from mmrobustprune.engine.deploy.oneshot import OneShot
from mmrobustprune.engine.runners.train import TrainRunner
from tests.support.tiny import classifier, detector, quick


@pytest.fixture(scope='module')
def pruned(tmp_path_factory):
    """A folder with a network of three classes: dense in work/epoch_1.pth, and pruned.pth."""
    folder = tmp_path_factory.mktemp('pruned')
    config = classifier(folder / 'work', epochs=1)
    TrainRunner.from_cfg(config).train()
    dense = str(folder / 'work' / 'epoch_1.pth')
    OneShot(config, dense, (16, 16), 'magnitude', 0.5, scope='layer').write(folder)
    return folder


def to_two_classes(config):
    """The same data with the third class taken for the second."""
    config.train_cfg.max_epochs = 1
    for name in ('train', 'val', 'test'):
        loader = config[f'{name}_dataloader']
        loader.dataset = dict(loader.dataset, metainfo=dict(classes=('red', 'other')))
        loader.dataset['type'] = 'TwoClasses'
    return config


@pytest.fixture(scope='module', autouse=True)
def two_classes():
    from mmengine.registry import DATASETS

    from tests.support.tiny import TinyImages

    @DATASETS.register_module(force=True)
    class TwoClasses(TinyImages):
        def load_data_list(self):
            return [dict(one, gt_label=min(one['gt_label'], 1)) for one in super().load_data_list()]


def another_head(config, load_from):
    config = to_two_classes(quick(config.to_dict()))
    config.load_from = str(load_from)
    config.runner_type = 'mmrobustprune.TrainRunner'
    return config


def check(config, folder, work):
    """The body comes along, the head is new and learns, and what is written loads again."""
    config.work_dir = str(work)
    config.optim_wrapper.paramwise_cfg = dict(custom_keys=dict(backbone=dict(lr_mult=0.0)))
    config.optim_wrapper.optimizer.weight_decay = 0
    runner = RUNNERS.build(config)
    runner.train()
    before = torch.load(folder / 'pruned.pth', weights_only=True)['state_dict']
    after = torch.load(work / 'epoch_1.pth', weights_only=False)['state_dict']
    assert sum(value.numel() for value in before.values()) < 90_000  # of 176,000
    for name, _ in runner.model.backbone.named_parameters():
        assert torch.equal(after[f'backbone.{name}'], before[f'backbone.{name}'])
    assert after['head.fc.weight'].shape == (2, before['head.fc.weight'].shape[1])
    config = quick(runner.user_cfg.to_dict())
    config.load_from = str(work / 'epoch_1.pth')
    assert RUNNERS.build(config).test()['accuracy/top1'] > 0


def test_a_pruned_checkpoint_starts_a_task_of_other_classes(pruned, tmp_path):
    config = another_head(classifier(tmp_path), pruned / 'pruned.pth')
    config.model.head.num_classes = config.data_preprocessor.num_classes = 2
    check(config, pruned, tmp_path)


def test_an_edited_pruned_config_does_so_too(pruned, tmp_path):
    config = another_head(Config.fromfile(pruned / 'pruned.py'), pruned / 'pruned.pth')
    config.model.architecture.head.num_classes = config.data_preprocessor.num_classes = 2
    check(config, pruned, tmp_path)


def test_a_dense_network_takes_no_part_from_pruned_weights(pruned, tmp_path):
    """mmengine only logs what does not fit, and a part would stay random."""
    part = dict(type='Pretrained', checkpoint=str(pruned / 'pruned.pth'), prefix='backbone.')
    config = classifier(tmp_path)
    config.model.backbone.init_cfg = part
    runner = TrainRunner.from_cfg(config)
    with pytest.raises(ValueError, match=r"init_cfg gives weights of '.*pruned.pth' to a dense"):
        runner.train()
    config.model.backbone.init_cfg.checkpoint = str(pruned / 'work' / 'epoch_1.pth')
    bridge.refuse_pruned_parts(config.model)


def test_a_label_without_an_output_is_one_sentence(tmp_path):
    config = classifier(tmp_path)
    config.model.head.num_classes = 2
    with pytest.raises(ValueError, match=r'no output for \(Target 2 is out of bounds.*labels from'):
        TrainRunner.from_cfg(config).train()


def test_another_body_is_refused_by_the_layer(pruned, tmp_path):
    config = another_head(classifier(tmp_path), pruned / 'pruned.pth')
    config.model.backbone.stem_channels = 4
    with pytest.raises(ValueError, match=r'does not fit this model at .*recorded conv \[8, 3, 3'):
        RUNNERS.build(config)


def test_a_test_needs_all_weights(pruned, tmp_path):
    config = classifier(tmp_path, load_from=str(pruned / 'work' / 'epoch_1.pth'))
    config.model.head.num_classes = 5
    words = r'head.fc.weight is \(3, 64\) in the checkpoint and \(5, 64\) in the network'
    with pytest.raises(ValueError, match=words):
        TrainRunner.from_cfg(config).test()


def test_a_test_leaves_out_what_the_network_lacks(pruned, tmp_path, monkeypatch):
    saved = torch.load(pruned / 'work' / 'epoch_1.pth', weights_only=False)
    saved['state_dict'].update(extra=torch.zeros(2))
    torch.save(saved, tmp_path / 'extra.pth')
    warnings = []
    monkeypatch.setattr(bridge, 'print_log', lambda line, logger, level: warnings.append(line))
    found = {}
    for path in (pruned / 'work' / 'epoch_1.pth', tmp_path / 'extra.pth'):
        runner = TrainRunner.from_cfg(classifier(tmp_path, load_from=str(path)))
        found[path.name] = runner.test()['accuracy/top1']
    assert found['epoch_1.pth'] == found['extra.pth']
    assert len(warnings) == 1 and '(extra); they are left out.' in warnings[0]


def test_every_checkpoint_of_a_pruned_network_holds_its_structure(pruned, tmp_path):
    config = quick(Config.fromfile(pruned / 'pruned.py').to_dict())
    config.work_dir = str(tmp_path)
    TrainRunner.from_cfg(config).train()
    meta = torch.load(tmp_path / 'epoch_1.pth', weights_only=False)['meta']
    own = torch.load(pruned / 'pruned.pth', weights_only=True)['meta']
    assert bridge.structure_of(meta).layers == bridge.structure_of(own).layers


def nowhere(folder):
    config = detector(folder / 'work', folder / 'shapes')
    dataset = dict(config.train_dataloader.dataset, type='VOCDataset', data_root='nowhere')
    dataset.pop('generate')
    return config, dataset


def test_data_that_is_not_there_is_named_with_its_setting(tmp_path):
    config, dataset = nowhere(tmp_path)
    inside = dict(type='ConcatDataset', datasets=[dataset])
    for data in (dataset, dict(type='RepeatDataset', times=2, dataset=inside)):
        config.train_dataloader.dataset = data
        words = r"so VOCDataset has no data; set its data_root \(it is 'nowhere'\)"
        with pytest.raises(FileNotFoundError, match=words):
            TrainRunner.from_cfg(quick(config.to_dict())).train()
