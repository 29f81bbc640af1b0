"""Real transformers, small: traced, masked, certified, removed, recorded, built by a config."""

import copy

import pytest
import torch
from mmengine.registry import MODELS, init_default_scope

pytest.importorskip('mmdet')
pytest.importorskip('mmpretrain')
from mmrobustprune.dependency.attention import Narrowed
from mmrobustprune.models.pruned import pruned_model_config
from mmrobustprune.surgery import prune_channels
from tests.support.attentions import prune, share_in_groups

pytestmark = pytest.mark.filterwarnings('ignore')

VIT = dict(
    arch=dict(embed_dims=24, num_layers=2, num_heads=3, feedforward_channels=96),
    img_size=32,
    patch_size=8,
)
SWIN = dict(
    arch=dict(embed_dims=24, depths=[2, 2], num_heads=[3, 6]),
    img_size=32,
    patch_size=2,
    window_size=4,
    out_indices=(1,),
)
SWIN_V2 = SWIN | dict(arch=dict(SWIN['arch'], extra_norm_every_n_blocks=0))
GAP = dict(type='GlobalAveragePooling')


def classifier(backbone, channels, head='LinearClsHead', neck=None, **fields):
    return dict(
        type='ImageClassifier',
        backbone=dict(type=backbone, **fields),
        neck=neck,
        head=dict(type=head, num_classes=7, in_channels=channels),
    )


# name -> model, image side, share of the parameters that lie in groups
NETWORKS = {
    'vit': (classifier('VisionTransformer', 24, 'VisionTransformerClsHead', **VIT), 32, 0.7),
    'deit': (classifier('DistilledVisionTransformer', 24, 'DeiTClsHead', **VIT), 32, 0.7),
    'swin': (classifier('SwinTransformer', 48, neck=GAP, **SWIN), 32, 0.9),
    'swin_v2': (classifier('SwinTransformerV2', 48, neck=GAP, **SWIN_V2), 32, 0.75),
    'levit': (
        classifier('LeViT', 384, 'LeViTClsHead', GAP, arch='128s', img_size=128, patch_size=16),
        128,
        0.99,
    ),
}


def built(name):
    import mmpretrain.models  # noqa: F401

    init_default_scope('mmpretrain')
    torch.manual_seed(0)
    config, side, *_ = NETWORKS[name]
    model = MODELS.build(copy.deepcopy(config)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if not parameter.any():  # tokens, tables and biases that begin at zero
                parameter.normal_(std=0.1)
    return model, torch.randn(2, 3, side, side)


def tensor(model, images):
    return model(images, mode='tensor')


@pytest.mark.parametrize('units', ['dims', 'heads'])
@pytest.mark.parametrize(
    'name', [pytest.param(n, marks=[pytest.mark.slow] * (n == 'levit')) for n in NETWORKS]
)
def test_half_of_every_group(name, units):
    model, images = built(name)
    found, _ = prune(model, images, units, tensor)
    assert share_in_groups(model, found.groups) > NETWORKS[name][2]


@pytest.mark.parametrize('name', ['vit', 'swin_v2'])
def test_a_config_builds_the_pruned_network(name):
    model, images = built(name)
    structure = prune_channels(
        model, images, 0.3, budget='params', forward=tensor, attention='heads'
    )
    config = pruned_model_config(NETWORKS[name][0], structure)
    again = MODELS.build(copy.deepcopy(config)).eval()
    again.load_state_dict(model.state_dict(), strict=False)
    with torch.no_grad():
        assert torch.equal(tensor(again, images), tensor(model, images))
    narrowed = [module for module in again.modules() if isinstance(module, Narrowed)]
    assert narrowed and any(len(module.kept) == module.num_heads for module in narrowed)
    assert 0.3 <= structure.achieved['params'] <= 0.35
