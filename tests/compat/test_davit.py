"""DaViT's step between stages at odd widths and sizes."""

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


def test_the_mend_is_in_force():
    import mmpretrain.models.backbones.davit as module

    fix = next(fix for fix in fixes.FIXES if fix.module == module.__name__)
    assert fixes.state(fix) == 'active' and not fix.is_faulty(module)
