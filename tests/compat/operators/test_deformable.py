import pytest
import torch
import torch.nn.functional as F
from mmcv import ops
from torch.autograd import gradcheck

from tests.compat.operators.recorded import convolution


def doubles(*names, **tensors):
    return [tensors[name].double().requires_grad_() for name in names]


def test_without_offset_it_is_a_convolution():
    torch.manual_seed(0)
    tensors = convolution(2, 2, (3, 2), mask=True, bias=True)
    offset = torch.zeros_like(tensors['offset'])
    numbers = (2, (1, 2), (1, 2))
    expected = F.conv2d(tensors['input'], tensors['weight'], None, *numbers, groups=2)
    found = ops.deform_conv2d(tensors['input'], offset, tensors['weight'], *numbers, 2, 2)
    torch.testing.assert_close(found, expected)

    mask = torch.full_like(tensors['mask'], 0.5)
    given = (tensors['input'], offset, mask, tensors['weight'], tensors['bias'])
    found = ops.modulated_deform_conv2d(*given, *numbers, 2, 2)
    torch.testing.assert_close(found, expected / 2 + tensors['bias'][:, None, None])


def test_an_offset_of_whole_pixels_moves_the_input():
    image = torch.arange(12.0).view(1, 1, 3, 4)
    offset = torch.tensor([1.0, -1.0]).view(1, 2, 1, 1).expand(1, 2, 3, 4)  # down, to the left
    found = ops.deform_conv2d(image, offset, torch.ones(1, 1, 1, 1))
    assert found[0, 0].tolist() == [[0, 4, 5, 6], [0, 8, 9, 10], [0, 0, 0, 0]]


@pytest.mark.parametrize('bias', [False, True])
def test_gradients(bias):
    torch.manual_seed(1)
    tensors = convolution(2, 2, (3, 2), mask=True, bias=bias)
    numbers = (2, (1, 2), (1, 2), 2, 2)
    plain = doubles('input', 'offset', 'weight', **tensors)
    assert gradcheck(lambda *given: ops.deform_conv2d(*given, *numbers), plain, fast_mode=True)
    names = ('input', 'offset', 'mask', 'weight', *(['bias'] if bias else []))
    given = doubles(*names, **tensors)

    def modulated(input, offset, mask, weight, bias=None):
        return ops.modulated_deform_conv2d(input, offset, mask, weight, bias, *numbers)

    assert gradcheck(modulated, given, fast_mode=True)


def test_of_offsets_of_a_larger_image_the_first_numbers_are_taken():
    torch.manual_seed(4)
    shapes = dict(input=(2, 3, 4, 4), offset=(2, 18, 8, 8), mask=(2, 9, 8, 8), weight=(2, 3, 3, 3))
    given = {name: torch.rand(shape).double() for name, shape in shapes.items()}
    small = {
        name: given[name].flatten(1)[:, : channels * 16].reshape(2, channels, 4, 4)
        for name, channels in (('offset', 18), ('mask', 9))
    }
    run = ops.modulated_deform_conv2d
    found = run(given['input'], given['offset'], given['mask'], given['weight'], None, 1, 1)
    expected = run(given['input'], small['offset'], small['mask'], given['weight'], None, 1, 1)
    assert torch.equal(found, expected)
    tensors = [tensor.requires_grad_() for tensor in given.values()]
    assert gradcheck(lambda *t: run(*t, None, 1, 1), tensors, fast_mode=True)


def test_a_weight_alone_is_trained():
    torch.manual_seed(2)
    given = convolution(1, 1, (6, 4))
    weight = given['weight'].clone().requires_grad_()
    ops.deform_conv2d(given['input'], given['offset'], weight, 1, 1).sum().backward()
    all_ = [tensor.clone().requires_grad_() for tensor in given.values()]
    ops.deform_conv2d(*all_, 1, 1).sum().backward()
    torch.testing.assert_close(weight.grad, all_[2].grad)


def test_each_backward_pass_has_its_own_gradient():
    """The weight's gradient is passed on in scratch memory, which the next pass must not find."""
    torch.manual_seed(3)
    given = [tensor.requires_grad_() for tensor in convolution(1, 1, (6, 4)).values()]
    out = ops.deform_conv2d(*given, 1, 1)
    (once,) = torch.autograd.grad(out, given[2], torch.ones_like(out), retain_graph=True)
    (twice,) = torch.autograd.grad(out, given[2], 2 * torch.ones_like(out))
    torch.testing.assert_close(twice, 2 * once)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision(dtype):
    torch.manual_seed(4)
    given = convolution(1, 1, (6, 4))
    expected = ops.deform_conv2d(*given.values(), 1, 1)
    half = [tensor.to(dtype).requires_grad_() for tensor in given.values()]
    found = ops.deform_conv2d(*half, 1, 1)
    assert found.dtype == dtype
    torch.testing.assert_close(found.float(), expected, rtol=0.1, atol=0.2)
    found.sum().backward()
    assert all(tensor.grad.isfinite().all() for tensor in half)
