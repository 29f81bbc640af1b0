"""One-shot pruning of a checkpoint."""

import json

import pytest
import torch
from mmengine.config import Config
from mmengine.hub import get_config
from mmengine.registry import MODELS, RUNNERS, init_default_scope

import mmrobustprune.engine  # noqa: F401
from mmrobustprune.engine.analysis.compare import measure
from mmrobustprune.engine.bridge.checkpoint import load_model
from mmrobustprune.engine.deploy.oneshot import OneShot
from mmrobustprune.models.pruned import without_pretrained
from tests.support import forwards  # noqa: F401
from tests.support.tiny import TinyImages, classifier, pruned, quick


@pytest.fixture(scope='module', autouse=True)
def many_channels():
    """Images of any number of channels."""
    from mmengine.registry import DATASETS

    @DATASETS.register_module(force=True)
    class ManyChannels(TinyImages):
        def __init__(self, channels, **kwargs):
            self.channels = channels
            super().__init__(**kwargs)

        def load_data_list(self):
            found = super().load_data_list()
            for one in found:
                places = [place % 3 for place in range(self.channels)]
                one['img'] = one['img'][..., places]
            return found


def config_of(folder, channels, **changes):
    config = classifier(folder, epochs=2, **changes)
    config.model.backbone.in_channels = channels
    config.data_preprocessor.mean = [100.0] * channels
    config.data_preprocessor.std = [60.0] * channels
    for name in ('train', 'val', 'test'):
        pipeline = [dict(type='PackInputs')]
        dataset = dict(type='ManyChannels', channels=channels, length=16, pipeline=pipeline)
        config[f'{name}_dataloader'].dataset = dataset
    return config


@pytest.mark.parametrize('channels', [1, 4, 6])
def test_images_of_other_than_three_channels_from_training_to_comparison(tmp_path, channels):
    """Trained under a recipe, pruned at once, compared: the first layer keeps all that it reads."""
    config = config_of(tmp_path / 'work', channels)
    runner = RUNNERS.build(pruned(config, rounds=1, interval=1))
    runner.train()
    assert runner.model.backbone.conv1.in_channels == channels
    dense = str(tmp_path / 'work' / 'epoch_1.pth')  # before the removal
    config = quick(config.to_dict())
    one = OneShot(config, dense, (16, 16), 'magnitude', 0.5)
    one.write(tmp_path / 'half')
    assert one.model.backbone.conv1.in_channels == channels
    assert 0.5 <= 1 - one.pruned.params / one.dense.params <= 0.51
    assert one.dense.layers['backbone.conv1']['macs'] == 16 * 16 * 9 * 8 * channels
    config.dump(tmp_path / 'dense.py')
    found = measure(
        dict(
            dense=(tmp_path / 'dense.py', dense),
            half=(tmp_path / 'half' / 'pruned.py', tmp_path / 'half' / 'pruned.pth'),
        ),
        size=(16, 16),
    )
    assert found['dense'][0].macs == one.dense.macs and found['half'][0].macs == one.pruned.macs


def test_what_is_written_is_the_pruned_network(dense, tmp_path):
    one = OneShot(*dense, (16, 16), 'l1', 0.3, min_keep=0.2)
    files = one.write(tmp_path)
    assert files == ['structure.json', 'pruned.py', 'pruned.pth', 'cost.json']
    assert one.structure.method == 'one-shot l1, Magnitude'
    cost = json.loads((tmp_path / 'cost.json').read_text())
    assert cost['pruned']['params'] == one.pruned.params and 'head.fc' in cost['unprunable']
    config = Config.fromfile(tmp_path / 'pruned.py')
    loaded, _, _ = load_model(config, str(tmp_path / 'pruned.pth'))
    assert all(map(torch.equal, loaded.state_dict().values(), one.model.state_dict().values()))
    with pytest.raises(ValueError, match='is pruned already .*prune from the dense checkpoint'):
        OneShot(dense[0], str(tmp_path / 'pruned.pth'), (16, 16), 'l1', 0.3)


def test_grouped_kernels_tell_of_every_layer(dense):
    told = []
    options = dict(groups=2, search=dict(type='beam', width=1), layers=['backbone.layer4'])
    one = OneShot(*dense, (16, 16), 'sr_gkp', 0.5, told.append, **options)
    decisions = one.surgery.files['decisions.json']
    assert len(told) == len(decisions) > 0 and told[0].startswith(f'1/{len(told)} backbone.layer4')
    assert 'backbone.conv1' in one.surgery.unprunable


def test_names_that_are_unknown(dense):
    with pytest.raises(ValueError, match="did you mean 'magnitude'"):
        OneShot(*dense, (16, 16), 'magnitud', 0.5)
    with pytest.raises(ValueError, match="'magnitude' has no option groups; .*min_keep"):
        OneShot(*dense, (16, 16), 'magnitude', 0.5, groups=2)


NAMED = 'tests.support.forwards:logits'
SURGERIES = dict(l1=dict(), sr_gkp=dict(groups=2, search='greedy'))


@pytest.mark.parametrize('method', SURGERIES)
@pytest.mark.parametrize('kind', ['Numbered', 'LossOnly'])
def test_a_named_forward_does_what_the_stock_models_own_does(dense, kind, method):
    """The same weights behind a forward that nobody can trace lose the same channels."""
    options = SURGERIES[method]
    stock = OneShot(*dense, (16, 16), method, 0.5, **options)
    config, checkpoint = dense
    config = quick(config.to_dict())
    config.model.type = kind
    one = OneShot(config, checkpoint, (16, 16), method, 0.5, forward=NAMED, **options)
    assert one.structure.to_dict() == stock.structure.to_dict()
    assert (one.dense, one.pruned) == (stock.dense, stock.pruned)
    assert one.dense.layers['backbone.conv1']['macs'] == 16 * 16 * 9 * 8 * 3
    assert one.surgery.unprunable == stock.surgery.unprunable
    states = [model.state_dict().values() for model in (one.model, stock.model)]
    assert all(map(torch.equal, *states))


@pytest.mark.parametrize(
    'kind, problem', [('Numbered', 'cannot be traced'), ('LossOnly', 'before its first layer')]
)
def test_what_nobody_can_trace_asks_for_a_forward(dense, kind, problem):
    config = quick(dense[0].to_dict())
    config.model.type = kind
    with pytest.raises(ValueError, match=f"{problem}.*robust_prune.forward='package.module:func"):
        OneShot(config, dense[1], (16, 16), 'l1', 0.5)
    with pytest.raises(ValueError, match=r"forward='tests.support.forwards:logit' cannot be load"):
        OneShot(config, dense[1], (16, 16), 'l1', 0.5, forward=NAMED[:-1])
    with pytest.raises(ValueError, match="forward='logits' names no function"):
        OneShot(config, dense[1], (16, 16), 'l1', 0.5, forward='logits')


def test_an_image_too_small_for_the_network_is_one_sentence(tmp_path):
    """LeNet-5's third convolution reads 5 x 5 pixels; of an image of 12 x 12 there are none."""
    init_default_scope('mmpretrain')
    model = dict(type='ImageClassifier', backbone=dict(type='LeNet5', num_classes=3))
    model['head'] = dict(type='ClsHead')
    torch.save(dict(state_dict=MODELS.build(dict(model)).state_dict()), tmp_path / 'x.pth')
    config = Config(dict(default_scope='mmpretrain', model=model))
    with pytest.raises(ValueError, match='fails on an image of 12 x 12 pixels .*Kernel size'):
        OneShot(config, str(tmp_path / 'x.pth'), (12, 12), 'magnitude', 0.5)


@pytest.mark.slow
def test_a_cascade_with_masks_is_pruned_with_few_boxes(tmp_path):
    """MACs are of all 1,000 boxes in all three stages of masks."""
    init_default_scope('mmdet')
    config = get_config('mmdet::cascade_rcnn/cascade-mask-rcnn_r50_fpn_1x_coco.py')
    config.model = without_pretrained(config.model.to_dict())
    torch.manual_seed(0)
    torch.save(dict(state_dict=MODELS.build(config.model).state_dict()), tmp_path / 'x.pth')
    one = OneShot(config, str(tmp_path / 'x.pth'), (128, 128), 'magnitude', 0.5, budget='macs')
    masks = one.dense.layers['roi_head.mask_head.0.convs.0.conv']
    assert masks['macs'] == 1000 * 14 * 14 * 256 * 256 * 9
    assert 0.5 <= 1 - one.pruned.macs / one.dense.macs <= 0.51
