"""Networks that are switched to their deployed form after the pruning."""

import pytest
import torch
from mmengine.registry import MODELS, init_default_scope

import mmrobustprune.models  # noqa: F401  fills the tables
from mmrobustprune.structure.compare import FullPrecision, randomise
from mmrobustprune.surgery import prune_channels

pytest.importorskip('mmpretrain')


def test_a_pruned_repmlp_is_switched_to_deploy():
    """Its convolutions go into the layers over positions; both forms compute the same."""
    init_default_scope('mmpretrain')
    torch.manual_seed(0)
    arch = dict(channels=[8, 16], depths=[1, 1], sharesets_nums=[1, 4])
    backbone = dict(type='RepMLPNet', arch=arch, img_size=16, out_indices=(1,))
    model = MODELS.build(
        dict(
            type='ImageClassifier',
            backbone=dict(backbone, reparam_conv_kernels=(1, 3)),
            neck=dict(type='GlobalAveragePooling'),
            head=dict(type='LinearClsHead', num_classes=3, in_channels=16),
        )
    ).double()
    randomise(model, 0, 0.5)
    image = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    model.train()(image)  # statistics of their own
    model.eval()
    before = sum(parameter.numel() for parameter in model.parameters())
    structure = prune_channels(model, image, 0.4)
    assert structure.layers and sum(p.numel() for p in model.parameters()) < before
    with torch.no_grad(), FullPrecision():  # it makes new layers, too
        expected = model(image)
        model.backbone.switch_to_deploy()
        found = model(image)
    assert expected.abs().max() > 0.1 and not any(
        'repconv' in name for name, _ in model.named_modules()
    )
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
