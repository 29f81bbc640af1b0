"""TridentNet's convolutions lose channels as plain ones do, however many branches run."""

import pytest
import torch
from torch import nn

import mmrobustprune.models  # noqa: F401  fills the table
from mmrobustprune.cost.count import count
from mmrobustprune.cost.model import CostModel
from mmrobustprune.dependency.parts import in_parts
from mmrobustprune.masks import MaskSet
from mmrobustprune.structure import rebuild
from mmrobustprune.surgery import certify, trace
from tests.support.networks import every_third_dead

pytest.importorskip('mmdet')
from mmdet.models.backbones.trident_resnet import TridentBottleneck, TridentConv

IMAGE = torch.randn(1, 3, 8, 8)


def network(branch):
    torch.manual_seed(0)
    options = dict(trident_dilations=(1, 2, 3), test_branch_idx=branch, concat_output=True)
    block = TridentBottleneck(inplanes=16, planes=4, **options)
    return nn.Sequential(nn.Conv2d(3, 16, 1), block, nn.Conv2d(16, 2, 1)).eval()


@pytest.mark.parametrize('branch', [-1, 1])
def test_masked_is_removed(branch):
    model = network(branch)
    found = trace(model, IMAGE)
    assert not found.unprunable.keys() - {'2'} and type(model[1].conv2) is TridentConv
    groups = {group.name: [part.layer for part in group.slices] for group in found.groups}
    assert groups['1.conv1'] == ['1.conv1', '1.bn1', '1.conv2']
    assert groups['1.conv2'] == ['1.conv2', '1.bn2', '1.conv3']
    images = 3 if branch == -1 else 1
    assert found.shapes['1.conv2'] == found.shapes['1.conv1'] == images * 64
    assert count(model, IMAGE).layers['1.conv2']['macs'] == 9 * 4 * 4 * images * 64
    masks = MaskSet(model, found.groups)
    masks.remove(every_third_dead(found.groups))
    assert certify(masks, IMAGE) < 1e-10
    expected = model(IMAGE)
    cost = CostModel(model, found.groups, found.shapes).count(masks.alive)
    small = rebuild(model, masks.structure('test'))
    assert small[1].conv2.weight.shape == (3, 3, 3, 3) and small[1].conv2.out_channels == 3
    torch.testing.assert_close(small(IMAGE), expected)
    now = count(small, IMAGE)
    assert (now.params, now.macs) == (cost['params'], cost['macs'])


@pytest.mark.parametrize('branch', [-1, 1])
def test_the_branches_are_the_convolution(branch):
    conv = TridentConv(3, 4, 3, test_branch_idx=branch, bias=True).eval()
    nn.init.normal_(conv.weight)
    nn.init.normal_(conv.bias)
    images = [IMAGE + number for number in range(3 if branch == -1 else 1)]
    expected = conv(images)
    before = list(conv.state_dict())
    with in_parts(conv) as names:
        assert set(names.values()) == {''} and not conv._parameters
        assert all(map(torch.equal, conv(images), expected))
    assert list(conv.state_dict()) == before and not list(conv.children())
