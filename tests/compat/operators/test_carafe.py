import pytest
import torch
from mmcv.ops import carafe, carafe_naive
from torch.autograd import gradcheck


def inputs(dtype=torch.float32):
    """2 images, 4 channels in 2 groups, 3x2 pixels twice as large, windows of 3x3."""
    torch.manual_seed(0)
    return torch.randn(2, 4, 3, 2, dtype=dtype), torch.rand(2, 18, 6, 4, dtype=dtype)


def slowly(features, masks):
    out = torch.zeros(2, 4, 6, 4)
    for n, c, y, x in torch.cartesian_prod(*map(torch.arange, out.shape)).tolist():
        for ky, kx in torch.cartesian_prod(torch.arange(3), torch.arange(3)).tolist():
            row = y // 2 + ky - 1
            column = x // 2 + kx - 1
            if 0 <= row < 3 and 0 <= column < 2:
                weight = masks[n, c // 2 * 9 + ky * 3 + kx, y, x]
                out[n, c, y, x] += weight * features[n, c, row, column]
    return out


@pytest.mark.parametrize('function', [carafe, carafe_naive])
def test_every_pixel_is_a_weighted_window(function):
    features, masks = inputs()
    torch.testing.assert_close(function(features, masks, 3, 2, 2), slowly(features, masks))


def test_gradients(operators):
    given = [tensor.requires_grad_() for tensor in inputs(torch.double)]
    assert gradcheck(lambda *tensors: carafe(*tensors, 3, 2, 2), given)
    features, masks = (tensor.detach() for tensor in given)
    of_features = torch.zeros_like(features)
    of_masks = torch.zeros_like(masks)
    grad = torch.randn(2, 4, 6, 4, dtype=torch.double)
    # mmcv refuses to call this one on a CPU
    operators.carafe_naive_backward(
        grad, features, masks, of_features, of_masks, kernel_size=3, group_size=2, scale_factor=2
    )
    expected = torch.autograd.grad(carafe(*given, 3, 2, 2), given, grad)
    assert torch.equal(of_features, expected[0]) and torch.equal(of_masks, expected[1])
