"""Norms of mmpretrain, by their own classes."""

import copy

import pytest
import torch
from torch import nn

import mmrobustprune.models  # noqa: F401  fills the table
from mmrobustprune.dependency.kinds import kind_of
from mmrobustprune.masks import MaskSet
from mmrobustprune.structure import rebuild
from mmrobustprune.surgery import certify, trace
from tests.support.networks import every_third_dead

pytest.importorskip('mmpretrain')
from mmpretrain.models.backbones.hornet import HorNetLayerNorm
from mmpretrain.models.utils.norm import GRN, LayerNorm2d


class Around(nn.Module):
    """Convolution -> norm, called with arguments of its own -> convolution, all square."""

    def __init__(self, norm, last, **call):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 1)
        self.norm = norm
        self.second = nn.Conv2d(8, 2, 1)
        self.last = last
        self.call = call

    def forward(self, x):
        x = self.first(x)
        x = x.permute(0, 2, 3, 1) if self.last else x
        x = self.norm(x, **self.call)
        return self.second(x.permute(0, 3, 1, 2) if self.last else x)


CASES = {  # norm, whether its channels lie last, how it is called, family
    'GRN last': (GRN, True, dict(data_format='channel_last'), 'grn'),
    'GRN first': (GRN, False, {}, 'grn'),
    'LN2d last': (LayerNorm2d, True, dict(data_format='channel_last'), 'layernorm'),
    'LN2d first': (LayerNorm2d, False, {}, 'layernorm'),
    'HorNet last': (HorNetLayerNorm, True, {}, 'layernorm'),
    'HorNet first': (
        lambda width: HorNetLayerNorm(width, data_format='channels_first'),
        False,
        {},
        'layernorm',
    ),
}


@pytest.mark.parametrize('size', [8, 5])
@pytest.mark.parametrize('case', CASES)
def test_masked_equals_removed(case, size):
    build, last, call, family = CASES[case]
    torch.manual_seed(0)
    model = Around(build(8), last, **call)
    assert kind_of(model.norm).name == family and kind_of(model.norm).aware
    image = torch.randn(2, 3, size, size)
    (group,) = trace(model, image).groups
    assert {part.layer for part in group.slices} == {'first', 'norm', 'second'}
    masks = MaskSet(model, (group,))
    masks.remove(every_third_dead((group,)))
    assert certify(masks, image) < 1e-10
    small = rebuild(copy.deepcopy(model), masks.structure('test'))
    names = {'normalized_shape', 'num_channels', 'in_channels'} & set(vars(model.norm))
    for name in names:
        assert getattr(small.norm, name) in (5, (5,))
    assert names and not small.norm._forward_hooks
