"""The networks of the S2AP configs: sizes that the papers' code has, and what reaches them."""

from pathlib import Path

import pytest
import torch

pytest.importorskip('mmpretrain')
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from torch import nn

import mmrobustprune.engine  # noqa: F401  knows `mmrobustprune::`
from mmrobustprune.cost.count import count
from mmrobustprune.engine.bridge.model import example_of_shape, tensor_forward
from mmrobustprune.models.backbones.cifar_resnet import CIFARResNet
from mmrobustprune.surgery import prune_channels

CONFIGS = Path(__file__).parents[2] / 'configs' / 's2ap'


def build(name):
    config = Config.fromfile(CONFIGS / f'{name}.py')
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        return MODELS.build(
            dict(
                config.model,
                data_preprocessor=dict(config.data_preprocessor, type='ClsDataPreprocessor'),
            )
        )


@pytest.mark.parametrize(
    'name, params, weights, layers, macs',
    [
        ('resnet18', 11_173_962, 11_164_352, 21, 555.4),
        ('vgg16-bn', 15_311_818, 15_302_848, 16, 313.8),
        ('wrn-28-4', 5_849_050, 5_841_840, 29, 845.6),
    ],
)
def test_sizes_of_the_convolutional_networks(name, params, weights, layers, macs):
    """Parameters; weights of convolutions and linear layers, which are pruned; how many layers;
    millions of MACs.
    """
    model = build(f'{name}_1xb128-100e_cifar10')
    assert sum(p.numel() for p in model.parameters()) == params
    pruned = [m.weight for m in model.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    assert (sum(weight.numel() for weight in pruned), len(pruned)) == (weights, layers)
    assert (
        round(count(model, example_of_shape(model, 32, 32), tensor_forward).macs / 1e6, 1) == macs
    )


def test_size_of_the_vision_transformer():
    """Of its linear layers the 32 in the blocks are pruned."""
    model = build('vit-small-p4_1xb128-100e_svhn')
    assert sum(p.numel() for p in model.parameters()) == 14_244_490
    pruned = [m.weight for m in model.backbone.layers.modules() if isinstance(m, nn.Linear)]
    assert (sum(weight.numel() for weight in pruned), len(pruned)) == (14_155_776, 32)
    assert (
        model.backbone.pos_embed.shape == (1, 1 + 64, 384)
        and model.backbone.layers[0].attn.num_heads == 6
    )
    assert tensor_forward(model.eval(), example_of_shape(model, 32, 32)).shape == (1, 10)


def test_the_linear_layers_of_vgg_start_small():
    model = build('vgg16-bn_1xb128-100e_svhn')
    model.init_weights()
    linear = [m for m in model.modules() if isinstance(m, nn.Linear)]
    assert [(m.in_features, m.out_features) for m in linear] == [(2048, 256), (256, 256), (256, 10)]
    assert all(
        m.weight.std().item() == pytest.approx(0.01, rel=0.05) and not m.bias.any() for m in linear
    )


def test_a_pruned_shortcut_stays_what_it_is_when_weights_are_initialised():
    """Its output channels are every second one, so its inputs do not lie at their own numbers any
    more.
    """
    model = CIFARResNet(8)
    shortcut = model.layer2[0].shortcut
    shortcut.weight = nn.Parameter(shortcut.weight[::2].clone(), requires_grad=False)
    kept, before = shortcut.weight.clone(), model.conv1.weight.clone()
    model.init_weights()
    assert torch.equal(shortcut.weight, kept) and not torch.equal(model.conv1.weight, before)
    fresh = CIFARResNet(8)
    fresh.init_weights()
    assert torch.equal(fresh.layer2[0].shortcut.weight.flatten(1), torch.eye(32, 16))


def test_channels_of_vgg_can_be_removed_before_its_grid_is_flattened():
    model = build('vgg16-bn_1xb128-100e_cifar10').eval()
    prune_channels(model, example_of_shape(model, 32, 32), 0.5, forward=tensor_forward)
    last, first = model.backbone.stage5.conv3, model.head.layers[0].fc
    assert last.out_channels < 512 and first.in_features == 4 * last.out_channels


@pytest.mark.parametrize('name, train', [('cifar10', 45_000), ('svhn', 68_257)])
def test_pixels_from_0_to_1_and_a_validation_set_of_its_own(name, train):
    config = Config.fromfile(CONFIGS / f'wrn-28-4_1xb128-100e_{name}.py')
    sets = [config[f'{part}_dataloader'].dataset for part in ('train', 'val', 'test')]
    assert [data.split for data in sets] == ['train', 'train', 'test']
    assert [data.get('indices') for data in sets] == [train, -5_000, None]
    assert len({data.type for data in sets}) == 1
    flips = [step for data in sets for step in data.pipeline if step.type == 'RandomFlip']
    assert len(flips) == (name == 'cifar10')
    model = build(f'wrn-28-4_1xb128-100e_{name}')
    pixels = torch.tensor([0, 51, 255], dtype=torch.uint8).reshape(1, 3, 1, 1).expand(2, 3, 32, 32)
    inputs = model.data_preprocessor(dict(inputs=pixels))['inputs']
    torch.testing.assert_close(
        inputs[0, :, 0, 0], torch.tensor([0.0, 0.2, 1.0])
    )  # channels stay in their order


@pytest.mark.parametrize('name', ['resnet18_1xb128-100e_cifar10', 'vit-small-p4_1xb128-100e_svhn'])
def test_a_hundred_epochs(name):
    config = Config.fromfile(CONFIGS / f'{name}.py')
    assert (
        config.train_cfg.max_epochs == 100 == config.param_scheduler[-1].end
        and config.train_dataloader.batch_size == 128
    )
    optimizer = config.optim_wrapper.optimizer
    assert optimizer == (
        dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=5e-4)
        if name.startswith('resnet')
        else dict(type='AdamW', lr=5e-4, weight_decay=0.05)
    )
