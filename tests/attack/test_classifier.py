"""Classifiers of pixels: normalisation, modes, spaces."""

import pytest
import torch
from torch import nn

from mmrobustprune.attack import Classifier, Normalise, frozen
from mmrobustprune.attack.classifier import CLIPS, SPACES, refuse_mismatch


def test_each_channel_has_its_own_mean_and_deviation():
    normalise = Normalise((0.5, 0.2), (0.25, 0.1))
    out = normalise(torch.tensor([1.0, 0.3]).reshape(1, 2, 1, 1))
    assert out.flatten().tolist() == pytest.approx([2, 1])
    assert Normalise((0.5,), (0.5,))(torch.ones(1, 6, 2, 2)).unique().tolist() == [1]


@pytest.mark.parametrize('channels', [1, 4])
def test_images_of_other_channels_are_not_repeated(channels):
    normalise = Normalise((0.5, 0.5, 0.5), (1.0, 1.0, 1.0))
    with pytest.raises(ValueError, match=f'have {channels} channels and the normalisation 3'):
        normalise(torch.ones(2, channels, 4, 4))


def test_the_bounds_of_a_space_are_what_black_and_white_become():
    model = Classifier(nn.Identity(), Normalise((0.5, 0.2), (0.25, 0.1)))
    like = torch.rand(3, 2, 4, 4)
    space = SPACES['normalised'](model, like)
    assert space.low.flatten().tolist() == pytest.approx([-2, -2])
    assert space.high.flatten().tolist() == pytest.approx([2, 8])
    assert space.gain.tolist() == pytest.approx([4, 10])
    wide = CLIPS['range'](space)
    assert wide.high.flatten().tolist() == pytest.approx([8, 8])
    free = CLIPS['none'](space)
    z = 100 * torch.ones(1, 2, 4, 4)
    assert torch.equal(free.clamp(z), z) and space.clamp(z)[0, 1, 0, 0] == 8


def test_modes_and_gradients_come_back_after_an_error():
    net = nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1)).train()
    net[1].eval()
    net[0].bias.requires_grad_(False)
    flags = [parameter.requires_grad for parameter in net.parameters()]
    with pytest.raises(RuntimeError), frozen(net):
        assert not any(module.training for module in net.modules())
        assert not any(parameter.requires_grad for parameter in net.parameters())
        raise RuntimeError
    assert [module.training for module in net.modules()] == [True, True, False]
    assert [parameter.requires_grad for parameter in net.parameters()] == flags


def test_labels_and_outputs_that_fit_pass():
    refuse_mismatch('it', torch.zeros(3, 2), torch.tensor([0, 1, 1]))
    with pytest.raises(ValueError, match='it got label 2 and the model has 2 classes, 0 to 1'):
        refuse_mismatch('it', torch.zeros(3, 2), torch.tensor([0, 2, 1]))
