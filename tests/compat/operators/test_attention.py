import torch
from mmcv.ops.multi_scale_deform_attn import (
    MultiScaleDeformableAttnFunction,
    multi_scale_deformable_attn_pytorch,
)
from torch.autograd import gradcheck

SHAPES = torch.tensor([[3, 4], [2, 2]])
STARTS = torch.tensor([0, 12])


def inputs(dtype=torch.float32):
    """2 images, 16 keys, 2 heads of 3 channels, 5 queries, 2 levels, 2 points."""
    torch.manual_seed(0)
    value = torch.randn(2, 16, 2, 3, dtype=dtype)
    locations = torch.rand(2, 5, 2, 2, 2, 2, dtype=dtype) * 1.2 - 0.1
    weights = torch.rand(2, 5, 2, 2, 2, dtype=dtype)
    return value, locations, weights


def attend(value, locations, weights):
    return MultiScaleDeformableAttnFunction.apply(value, SHAPES, STARTS, locations, weights, 64)


def test_it_gives_what_mmcv_computes_on_a_cpu():
    value, locations, weights = inputs()
    expected = multi_scale_deformable_attn_pytorch(value, SHAPES, locations, weights)
    assert torch.equal(attend(value, locations, weights), expected)


def test_a_point_in_the_middle_of_a_pixel_is_that_pixel():
    """Level 0, row 1 of 3, column 2 of 4: key 6."""
    value, locations, weights = inputs()
    locations[:] = torch.tensor([2.5 / 4, 1.5 / 3])
    weights.zero_()
    weights[..., 0, 0] = 2.0
    found = attend(value, locations, weights).view(2, 5, 2, 3)
    torch.testing.assert_close(found, 2 * value[:, 6][:, None].expand_as(found))


def test_gradients():
    given = [tensor.requires_grad_() for tensor in inputs(torch.double)]
    assert gradcheck(attend, given, fast_mode=True)


def test_half_precision():
    value, locations, weights = (t.bfloat16().requires_grad_() for t in inputs())
    found = attend(value, locations, weights)
    assert found.dtype == torch.bfloat16
    found.sum().backward()
    assert value.grad.isfinite().all() and locations.grad.dtype == torch.bfloat16
