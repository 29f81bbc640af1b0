"""DaViT's step between stages at odd widths and sizes; merges of unequal widths; no regions."""

from importlib import import_module

import pytest
import torch
from torch.nn import functional

pytest.importorskip('mmpretrain')
from mmrobustprune.compat import fixes


def layer(channels):
    from mmpretrain.models.backbones.davit import DaViTDownSample

    torch.manual_seed(0)
    return DaViTDownSample(channels, 4, norm_cfg=dict(type='LN'))


@pytest.mark.parametrize('channels', [2, 3])
@pytest.mark.parametrize('size', [(2, 4), (3, 4), (3, 3)])
def test_the_image_is_padded_and_not_its_tokens(channels, size):
    down = layer(channels)
    tokens = torch.randn(2, size[0] * size[1], channels)
    found, left = down(tokens, size)
    image = down.norm(tokens).reshape(2, *size, channels).permute(0, 3, 1, 2)
    image = functional.pad(image, (0, size[1] % 2, 0, size[0] % 2))
    expected = functional.conv2d(image, down.projection.weight, down.projection.bias, stride=2)
    assert left == tuple(expected.shape[2:]) == ((size[0] + 1) // 2, (size[1] + 1) // 2)
    assert torch.allclose(found, expected.flatten(2).transpose(1, 2), atol=1e-6)


@pytest.mark.parametrize('size', [None, (2, 2), (4, 4)])
def test_unequal_widths_are_concatenated(size):
    from mmcv.ops.merge_cells import ConcatCell

    cell = ConcatCell(3, 3, with_input1_conv=True, out_conv_cfg=dict(groups=1, kernel_size=1))
    assert cell(torch.randn(2, 3, 4, 4), torch.randn(2, 3, 2, 2), size).shape[1] == 3
    one = torch.arange(32.0).view(1, 2, 4, 4)
    two = torch.ones(1, 1, 2, 2)
    found = ConcatCell(2, 3, with_out_conv=False)(one, two, size)
    small = functional.max_pool2d(one, 2)
    large = functional.interpolate(two, size=(4, 4))
    first, second = (small, two) if size == (2, 2) else (one, large)
    assert torch.equal(found, torch.cat([first, second], 1))


@pytest.mark.parametrize('name', ['mmpretrain.models.backbones.davit', 'mmcv.ops.merge_cells'])
def test_the_mends_are_in_force(name):
    fix = next(fix for fix in fixes.FIXES if fix.module == name)
    assert fixes.state(fix) == 'active' and not fix.is_faulty(import_module(name))


@pytest.mark.parametrize('strides', [[1], [1, 2]])
def test_regions_are_as_wide_as_their_maps_also_where_there_are_none(strides):
    from mmdet.models.roi_heads.roi_extractors import SingleRoIExtractor

    layer = dict(type='RoIAlign', output_size=2, sampling_ratio=1)
    extractor = SingleRoIExtractor(layer, out_channels=8, featmap_strides=strides)
    maps = tuple(torch.ones(1, 3, 8 // stride, 8 // stride) for stride in strides)
    boxes = torch.tensor([[0.0, 1, 1, 5, 5]])
    assert torch.equal(extractor(maps, boxes), torch.ones(1, 3, 2, 2))
    assert extractor(maps, boxes[:0]).shape == (0, 3, 2, 2)
