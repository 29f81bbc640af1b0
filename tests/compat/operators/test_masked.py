import pytest
import torch
import torch.nn.functional as F
from mmcv.ops import MaskedConv2d


@pytest.mark.parametrize('kernel, padding', [((3, 3), (1, 1)), ((1, 3), (0, 1))])
def test_the_masked_pixels_are_those_of_the_convolution(kernel, padding):
    torch.manual_seed(0)
    layer = MaskedConv2d(3, 4, kernel, padding=padding)
    images = torch.randn(1, 3, 5, 6)
    mask = torch.rand(1, 5, 6) - 0.5
    expected = F.conv2d(images, layer.weight, layer.bias, padding=padding) * (mask > 0)
    torch.testing.assert_close(layer(images, mask), expected)
    assert (layer(images, torch.zeros(1, 5, 6)) == 0).all()
