"""Switchable atrous convolutions lose channels on both sides, deformed or not."""

import pytest
import torch
from torch import nn

import mmrobustprune.models  # noqa: F401  fills the table
from mmrobustprune.copies import copied
from mmrobustprune.cost.count import count
from mmrobustprune.cost.model import CostModel
from mmrobustprune.dependency.parts import in_parts
from mmrobustprune.masks import MaskSet
from mmrobustprune.structure import rebuild
from mmrobustprune.surgery import certify, trace
from tests.support.networks import every_third_dead

pytest.importorskip('mmcv')
from mmcv.ops.saconv import SAConv2d

IMAGE = torch.randn(2, 3, 10, 10)
INSIDE = ('switch', 'pre_context', 'post_context', 'offset_s', 'offset_l')


def network(deform, **options):
    """Random weights everywhere: as it is built, the convolution has contexts and offsets of 0."""
    torch.manual_seed(0)
    conv = SAConv2d(8, 6, 3, padding=1, use_deform=deform, **options)
    model = nn.Sequential(
        nn.Conv2d(3, 8, 1), nn.ReLU(), conv, nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 2, 1)
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape))
    return model.eval()


@pytest.mark.parametrize('deform', [False, True])
def test_masked_is_removed(deform):
    model = network(deform)
    found = trace(model, IMAGE)
    assert set(found.unprunable) <= {'2.switch', '2.offset_s', '2.offset_l', '5'}
    first, second = found.groups
    inputs = [f'2.{name}' for name in INSIDE if hasattr(model[2], name) and 'post' not in name]
    assert {part.layer for part in first.slices} == {'0', '2', *inputs}
    assert {part.layer for part in second.slices} == {'2', '3', '5', '2.post_context'}
    assert (first.units, second.units) == (8, 6) and found.shapes['2'] == 2 * 2 * 100
    masks = MaskSet(model, found.groups)
    masks.remove(every_third_dead(found.groups))
    assert certify(masks, IMAGE) < 1e-10
    model.train()(IMAGE).sum().backward()
    dead = ~masks.kept('2', 'in')
    assert model[2].weight.grad[:, ~dead].any() and not model[2].weight.grad[:, dead].any()
    cost = CostModel(model, found.groups, found.shapes).count(masks.alive)
    expected = copied(model).eval()(IMAGE)
    small = rebuild(model, masks.structure('test')).eval()
    assert small[2].weight_diff.shape == (4, 5, 3, 3) and small[2].in_channels == 5
    torch.testing.assert_close(small(IMAGE), expected)
    now = count(small, IMAGE)
    assert (now.params, now.macs) == (cost['params'], cost['macs'])


@pytest.mark.parametrize('deform', [False, True])
def test_the_parts_are_the_convolution(deform):
    conv = network(deform)[2]
    x = torch.randn(2, 8, 10, 10)
    expected = conv(x)
    names = list(conv.state_dict())
    with in_parts(conv):
        torch.testing.assert_close(conv(x), expected)
    assert list(conv.state_dict()) == names and type(conv) is SAConv2d


def test_one_of_groups_stays():
    model = nn.Sequential(nn.Conv2d(3, 8, 1), SAConv2d(8, 8, 3, padding=1, groups=2))
    found = trace(model.append(nn.Conv2d(8, 2, 1)), IMAGE)
    assert not found.groups and "'1.near' (Atrous)" in found.unprunable['1']
