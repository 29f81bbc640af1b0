"""Norms of mmpretrain, by their own classes."""

import copy

import pytest
import torch
from torch import distributed, nn

import mmrobustprune.models  # noqa: F401  fills the table
from mmrobustprune.dependency.kinds import kind_of
from mmrobustprune.masks import MaskSet
from mmrobustprune.structure import rebuild
from mmrobustprune.surgery import certify, prune_channels, trace
from mmrobustprune.surgery.recalibrate import learning_norms
from tests.support.networks import every_third_dead

pytest.importorskip('mmpretrain')
from mmcv.cnn import build_norm_layer
from mmcv.cnn.bricks.conv_ws import ConvAWS2d, ConvWS2d
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


@pytest.mark.parametrize('kind', [ConvWS2d, ConvAWS2d])
def test_a_weight_is_standardised_over_the_channels_that_are_kept(kind):
    torch.manual_seed(0)
    model = nn.Sequential(kind(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), kind(8, 6, 3), kind(6, 2, 1))
    image = torch.randn(2, 3, 9, 9)
    found = trace(model, image)
    assert [group.name for group in found.groups] == ['0', '3']
    masks = MaskSet(model, found.groups)
    masks.remove(every_third_dead(found.groups))
    assert certify(masks, image) < 1e-10
    small = rebuild(copy.deepcopy(model), masks.structure('test'))
    kept = masks.kept('3', 'in')
    weight = model[3].weight[masks.kept('3')][:, kept]
    assert torch.equal(small[3].weight, weight) and small[3].in_channels == 5
    torch.testing.assert_close(small(image), model(image))


def test_a_standardised_weight_that_is_computed_further_stays():
    class Switched(ConvAWS2d):
        def __init__(self):
            super().__init__(4, 4, 3)
            self.weight_diff = nn.Parameter(torch.zeros(4, 4, 3, 3))

        def forward(self, x):
            return super().forward(x) + nn.functional.conv2d(x, self.weight + self.weight_diff)

    model = nn.Sequential(nn.Conv2d(3, 4, 1), Switched(), nn.Conv2d(4, 2, 1))
    found = trace(model, torch.randn(1, 3, 8, 8))
    assert not found.groups
    assert 'is computed from other tensors' in found.unprunable['1']


@pytest.fixture
def world():
    """A process group of one, as a synchronised norm asks for."""
    distributed.init_process_group('gloo', store=distributed.HashStore(), rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


@pytest.mark.parametrize('kind', ['SyncBN', 'MMSyncBN'])
def test_synchronised_norms_lose_channels_and_learn_statistics(kind, world):
    torch.manual_seed(0)
    _, norm = build_norm_layer(dict(type=kind), 8)
    model = nn.Sequential(nn.Conv2d(3, 8, 1), norm, nn.ReLU(), nn.Conv2d(8, 2, 1))
    image = torch.randn(2, 3, 4, 4)
    structure = prune_channels(model, image, 0.5, forward=lambda model, x: model.eval()(x))
    assert len(structure.layers['1']['out']) == model[1].num_features == 4
    assert list(learning_norms(model.train())) == ['1']
