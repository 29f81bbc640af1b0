"""Wrong input gets one sentence, early, and leaves nothing half-written."""

import copy

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import RUNNERS
from mmpretrain.models import ImageClassifier, ResNet_CIFAR
from mmpretrain.registry import MODELS

from mmrobustprune.engine.runners.prune import sharpness_wrapper
from mmrobustprune.engine.runners.train import TrainRunner
from mmrobustprune.models import PrunedModel
from mmrobustprune.recipes.build import build_recipe
from tests.support.tiny import classifier, detector, pruned


@MODELS.register_module(force=True)
class Counting(ResNet_CIFAR):
    """Its last channels divided by how many there are, which no graph shows."""

    def forward(self, x):
        *rest, last = super().forward(x)
        return *rest, last / last.shape[1]


def refused(config, message, kind=ValueError, train=True):
    with pytest.raises(kind, match=message) as error:
        runner = RUNNERS.build(config)
        if train:
            runner.train()
    assert '\n' not in str(error.value).strip()


@pytest.mark.parametrize(
    'recipe, message',
    [
        (dict(target=1.5), r'not in \(0, 1\)'),
        (dict(recipe='adsap'), "did you mean 'adasap'"),
        (dict(warmupp=0.1), "did you mean 'warmup'"),
        (dict(rule=dict(type='AdaSAP', rho_min=3.0, rho_max=2.0)), 'rho_min=3.0 is larger'),
    ],
)
def test_a_wrong_recipe_is_refused_before_anything_is_written(tmp_path, recipe, message):
    refused(pruned(classifier(tmp_path / 'work'), **recipe), message, train=False)
    assert not (tmp_path / 'work').exists()


def test_a_field_given_on_the_command_line_is_checked_too(tmp_path):
    config = pruned(classifier(tmp_path / 'work'))
    config.merge_from_dict({'robust_prune.roundz': 3})
    refused(config, "did you mean 'rounds'", train=False)


def test_a_missing_recipe(tmp_path):
    config = pruned(classifier(tmp_path / 'work'))
    config.pop('robust_prune')
    refused(config, 'needs robust_prune=dict', train=False)


@pytest.mark.parametrize(
    'recipe, message',
    [
        (dict(ignore=['backbone.no_such_layer']), 'matches no layer'),
        (dict(rounds=30, interval=30), 'phase plan takes 906 iterations'),
        (dict(target=0.97, min_keep=0.5), 'cannot be removed: the nearest feasible value is 0.7'),
    ],
)
def test_what_only_the_network_can_tell(tmp_path, recipe, message):
    refused(pruned(classifier(tmp_path / 'work'), **recipe), message)
    assert not (tmp_path / 'work' / 'structure.json').exists()


def test_a_checkpoint_that_is_not_there(tmp_path):
    refused(
        pruned(classifier(tmp_path / 'work', load_from=str(tmp_path / 'no.pth'))),
        'is not there',
        FileNotFoundError,
        False,
    )
    config = pruned(classifier(tmp_path / 'work', load_from=str(tmp_path / 'no.pth')), targt=0.5)
    refused(config, 'targt', train=False)  # what costs nothing to check is said first


def test_a_truncated_checkpoint(tmp_path):
    torch.save(dict(meta={}, state_dict=dict(w=torch.zeros(1000))), tmp_path / 'whole.pth')
    (tmp_path / 'cut.pth').write_bytes((tmp_path / 'whole.pth').read_bytes()[:2000])
    refused(
        pruned(classifier(tmp_path / 'work', load_from=str(tmp_path / 'cut.pth'))),
        'cut.pth',
        train=False,
    )


def test_data_that_is_not_there(tmp_path):
    config = detector(tmp_path / 'work', tmp_path / 'shapes')
    config.train_dataloader.dataset = dict(
        config.train_dataloader.dataset, type='VOCDataset', data_root=str(tmp_path / 'nowhere')
    )
    config.train_dataloader.dataset.pop('generate')
    refused(pruned(config), 'nowhere.*data_root', FileNotFoundError)


def test_data_inside_a_wrapper_that_is_not_there(tmp_path):
    config = detector(tmp_path / 'work', tmp_path / 'shapes')
    inner = dict(
        config.train_dataloader.dataset, type='VOCDataset', data_root=str(tmp_path / 'nowhere')
    )
    inner.pop('generate')
    config.train_dataloader.dataset = dict(
        type='RepeatDataset', times=2, dataset=dict(type='ConcatDataset', datasets=[inner])
    )
    refused(
        pruned(config),
        r"so VOCDataset has no data; set its data_root \(it is '.*nowhere'\)",
        FileNotFoundError,
    )


@pytest.mark.parametrize('work', ['train', 'test'])
def test_a_config_without_the_data_for_it(tmp_path, work):
    keys = dict(
        train=('train_dataloader', 'train_cfg', 'optim_wrapper', 'param_scheduler'),
        test=('test_dataloader', 'test_cfg', 'test_evaluator'),
    )
    config = classifier(tmp_path, **dict.fromkeys(keys[work]))
    runner = TrainRunner.from_cfg(config)
    with pytest.raises(ValueError, match=f'the config has no {work}_dataloader, {work}_cfg and'):
        getattr(runner, work)()


def test_a_rule_that_would_not_be_used_is_refused():
    with pytest.raises(
        ValueError, match='would not be used, as a recipe has a rule for each phase'
    ):
        sharpness_wrapper(
            dict(
                type='mmrobustprune.SAMOptimWrapper',
                rule=dict(type='SAM'),
                optimizer=dict(type='SGD', lr=0.1),
            )
        )
    with pytest.raises(ValueError, match=r"ascent='momentum' would not be used, as a recipe has"):
        sharpness_wrapper(dict(ascent='momentum', optimizer=dict(type='SGD', lr=0.1)))


def test_two_lengths_of_the_rounds_are_refused():
    with pytest.raises(
        ValueError,
        match='prune=0.2, the length of all rounds, and interval=30, the iterations between two',
    ):
        build_recipe(dict(recipe='adasap', target=0.5, prune=0.2, interval=30))


@pytest.mark.parametrize('wrapper', [dict(type='ApexOptimWrapper'), dict(type='OptimWrapperDict')])
def test_wrappers_that_cannot_make_two_passes(wrapper):
    with pytest.raises(ValueError, match='cannot make two passes'):
        sharpness_wrapper(dict(wrapper, optimizer=dict(type='SGD', lr=0.1)))


def test_several_optimizers_are_refused_by_name():
    two = dict(
        generator=dict(optimizer=dict(type='SGD', lr=0.1)),
        critic=dict(optimizer=dict(type='SGD', lr=0.1)),
    )
    with pytest.raises(ValueError, match='generator, critic.*OptimWrapperDict'):
        sharpness_wrapper(two)


def test_amp_keeps_its_settings_and_gets_our_class():
    given = dict(
        type='AmpOptimWrapper',
        loss_scale='dynamic',
        optimizer=dict(type='SGD', lr=0.1),
        clip_grad=dict(max_norm=1),
    )
    kept = copy.deepcopy(given)
    found = sharpness_wrapper(given)
    assert found == dict(kept, type='mmrobustprune.AmpSAMOptimWrapper', rule=None) and given == kept


def test_a_structure_of_another_model(tmp_path):
    runner = RUNNERS.build(pruned(classifier(tmp_path)))
    runner.train()
    other = copy.deepcopy(runner.user_cfg.model)
    other.backbone.base_channels = other.backbone.stem_channels = 16
    other.head.in_channels = 128
    with pytest.raises(ValueError, match='structure does not fit'):
        PrunedModel(
            other,
            str(tmp_path / 'structure.json'),
            data_preprocessor=runner.user_cfg.data_preprocessor,
        )
    with pytest.raises(FileNotFoundError, match='structure file'):
        PrunedModel(other, str(tmp_path / 'other.json'))


@MODELS.register_module(force=True)
class Supervised(ImageClassifier):
    """A second head that runs in the loss alone."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.aux = torch.nn.Linear(64, 3)

    def loss(self, inputs, data_samples):
        seen = self.aux(self.extract_feat(inputs)[-1])
        return dict(super().loss(inputs, data_samples), loss_aux=seen.square().mean())


def test_a_layer_that_runs_in_the_loss_alone_is_named_before_anything_trains(tmp_path):
    config = classifier(tmp_path)
    config.model.type = 'Supervised'
    runner = RUNNERS.build(pruned(config, recipe='magnitude'))
    with pytest.raises(
        ValueError,
        match=r'loss fails once channels are removed \(mat1 and mat2.*in the loss alone \(aux\)',
    ):
        runner.train()
    assert runner.iter == 0 and not list(tmp_path.glob('*.pth'))
    config = pruned(
        config, recipe='magnitude', ignore=['backbone.layer4'], target=0.1, measure=False
    )
    RUNNERS.build(config).train()


def test_a_network_that_cannot_be_cut_is_refused_before_it_trains(tmp_path):
    config = classifier(tmp_path)
    config.model.backbone.type = 'Counting'
    runner = RUNNERS.build(pruned(config, recipe='magnitude'))
    with pytest.raises(
        ValueError,
        match=r"the surgery was refused: .*; leave unprunable by ignore=\['.*layer4.0.conv2'\]",
    ):
        runner.train()
    assert runner.iter == 0 and not list(tmp_path.glob('*.pth'))


def test_random_weights_get_one_warning(tmp_path):
    config = pruned(classifier(tmp_path, epochs=3))
    runner = RUNNERS.build(config)
    said = []
    runner.logger.warning, original = said.append, runner.logger.warning
    runner.train()
    runner.logger.warning = original
    assert sum('random weights' in str(line) for line in said) == 1


LAZY = """
from mmengine.config import read_base
from mmengine.dataset import DefaultSampler
from mmpretrain.evaluation import Accuracy
from mmpretrain.models import GlobalAveragePooling, ImageClassifier, LinearClsHead, ResNet_CIFAR
from torch.optim import SGD

with read_base():
    from .base import *

model.update(type=ImageClassifier)
model.backbone.update(type=ResNet_CIFAR)
train_dataloader.sampler.update(type=DefaultSampler)
optim_wrapper.optimizer.update(type=SGD)
val_evaluator = dict(type=Accuracy, topk=(1,))
runner_type = 'mmrobustprune.PruneRunner'
robust_prune = dict(recipe='adasap', target=0.5, warmup='1 epochs', rounds=2, interval=2)
"""


def test_configs_with_classes_for_types(tmp_path):
    classifier(tmp_path / 'work').dump(tmp_path / 'base.py')
    (tmp_path / 'user.py').write_text(LAZY)
    runner = RUNNERS.build(Config.fromfile(tmp_path / 'user.py'))
    runner.train()
    text = torch.load(tmp_path / 'work' / 'pruned.pth', weights_only=True)['meta']['cfg']
    assert Config.fromstring(text, '.py').model.architecture.backbone.type.endswith('ResNet_CIFAR')
