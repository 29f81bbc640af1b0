"""TridentNet's convolution begins with weights of its own."""

import pytest
import torch

import mmrobustprune.compat.fixes  # noqa: F401  applies them

pytest.importorskip('mmdet')
from mmdet.models.backbones import trident_resnet


def test_the_same_weights_are_drawn_after_the_same_seed():
    made = []
    for _ in range(2):
        torch.manual_seed(0)
        made.append(trident_resnet.TridentConv(8, 16, 3, bias=True))
    assert torch.equal(made[0].weight, made[1].weight) and not made[0].bias.any()
    bound = (6 / (8 * 9)) ** 0.5
    assert 0.9 * bound < made[0].weight.abs().max() <= bound
