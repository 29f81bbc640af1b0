"""Every ascent takes a step in the comparison of their costs."""

import pytest
import torch

from benchmarks.ascents import Arm, reached
from mmrobustprune.sharpness.build import ASCENTS
from tests.support.resnets import CIFARResNet


@pytest.mark.parametrize('ascent', [None, *ASCENTS])
def test_an_arm_trains(ascent):
    torch.manual_seed(0)
    weights = CIFARResNet(20).state_dict()
    arm = Arm(ascent, weights, lr=0.1, device='cpu')
    images = torch.randn(4, 3, 32, 32)
    for _ in range(2):  # most remember something of the first
        arm.step(images, torch.arange(4))
    assert not torch.equal(arm.model.conv_1_3x3.weight, weights['conv_1_3x3.weight'])
    assert reached(arm.model, images, torch.arange(4), iterations=1)['loss'] > 0
