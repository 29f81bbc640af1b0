"""mmpretrain's classifiers with scores on: counts, and the way back to their own keys."""

import pytest
import torch

from mmrobustprune.mask_search import HARP, HYDRA, ScoredNetwork, make_plain


def build(**config):
    from mmpretrain.registry import MODELS
    from mmpretrain.utils import register_all_modules

    register_all_modules(init_default_scope=False)
    torch.manual_seed(0)
    return MODELS.build(dict(config, type='mmpretrain.ImageClassifier'))


def resnet18():
    return build(
        backbone=dict(type='mmpretrain.ResNet_CIFAR', depth=18),
        neck=dict(type='mmpretrain.GlobalAveragePooling'),
        head=dict(type='mmpretrain.LinearClsHead', num_classes=10, in_channels=512),
    )


def small_vit():
    arch = dict(embed_dims=384, num_layers=8, num_heads=6, feedforward_channels=1536)
    return build(
        backbone=dict(type='mmpretrain.VisionTransformer', arch=arch, img_size=32, patch_size=4),
        head=dict(type='mmpretrain.VisionTransformerClsHead', num_classes=10, in_channels=384),
    )


@pytest.mark.slow
def test_resnet18_by_weight_and_by_channel():
    model, x = resnet18().eval(), torch.randn(2, 3, 32, 32)
    keys = set(model.state_dict())
    network = HYDRA(0.99).attach(model)
    assert len(network.layers) == 21 and sum(network.kept().values()) == 111_653
    masked = model(x)
    assert set(ScoredNetwork.plain_state(model)) == keys
    network.bake()
    assert torch.equal(model(x), masked)
    assert torch.equal(make_plain(model)(x), masked) and set(model.state_dict()) == keys
    network = HARP(0.5, form='channel').attach(resnet18())
    assert len(network.layers) == 20 and network.meets_target()
    assert (
        network.layers['backbone.layer2.0.downsample.0'].logit
        is network.layers['backbone.layer2.0.conv1'].logit
    )
    dense = float(network._form.budget(torch.ones(20)))
    assert dense / network.cost() == pytest.approx(
        3.99, abs=0.01
    )  # k = 0.5: a quarter of the FLOPs


@pytest.mark.slow
def test_the_small_vit_without_patches_and_head():
    model = small_vit().eval()
    network = HYDRA(0.4, ignore=['backbone.patch_embed', 'head']).attach(model)
    assert len(network.layers) == 32
    assert sum(weight.numel() for weight in network.weights().values()) == 14_155_776
    assert (
        not model.head.layers.head.weight.requires_grad and model.backbone.ln1.weight.requires_grad
    )
    model(torch.randn(1, 3, 32, 32)).sum().backward()
    assert all(
        scores.grad is not None and scores.grad.any() for scores in network.score_parameters()
    )
    network = HARP(0.4, form='channel', ignore=['head']).attach(small_vit())
    assert len(network.layers) == 32 and 'backbone.patch_embed.projection' not in network.layers
