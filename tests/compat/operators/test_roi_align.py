import pytest
import torch
from mmcv.ops import roi_align
from torch.autograd import gradcheck

from tests.compat.operators.recorded import ROIS

RAMP = torch.arange(8.0).expand(1, 1, 8, 8)  # the value is the column


def test_a_bin_is_the_mean_or_the_maximum_of_its_points():
    rois = torch.tensor([[0.0, 2.0, 2.0, 6.0, 4.0]])
    numbers = ((1, 2), 1.0, 2)
    assert roi_align(RAMP, rois, *numbers, 'avg', True).flatten().tolist() == [2.5, 4.5]
    assert roi_align(RAMP, rois, *numbers, 'max', True).flatten().tolist() == [3.0, 5.0]
    assert roi_align(RAMP, rois, *numbers, 'avg', False).flatten().tolist() == [3.0, 5.0]


@pytest.mark.parametrize('mode', ['avg', 'max'])
@pytest.mark.parametrize('ratio, aligned', [(0, True), (2, False)])
def test_gradients(mode, ratio, aligned):
    torch.manual_seed(0)
    images = torch.randn(2, 3, 7, 9, dtype=torch.double, requires_grad=True)
    rois = torch.tensor(ROIS, dtype=torch.double)
    numbers = ((2, 3), 0.25, ratio, mode, aligned)
    assert gradcheck(lambda x: roi_align(x, rois, *numbers), images, fast_mode=True)


@pytest.mark.parametrize('mode', ['avg', 'max'])
def test_no_regions_and_regions_without_extent(mode):
    images = torch.randn(1, 3, 8, 8, requires_grad=True)
    assert roi_align(images, torch.zeros(0, 5), 2, 1.0, 0, mode, True).shape == (0, 3, 2, 2)
    found = roi_align(images, torch.tensor([[0.0, 3, 3, 3, 3]]), 2, 1.0, 0, mode, True)
    found.sum().backward()
    assert (found == 0).all() and (images.grad == 0).all()


@pytest.mark.parametrize('mode', ['avg', 'max'])
def test_any_memory_order_and_half_precision(mode):
    torch.manual_seed(1)
    images = torch.randn(2, 4, 7, 9)
    rois = torch.tensor(ROIS)
    expected = roi_align(images, rois, 2, 0.25, 0, mode, True)
    turned = images.contiguous(memory_format=torch.channels_last)
    assert torch.equal(roi_align(turned, rois, 2, 0.25, 0, mode, True), expected)
    half = images.bfloat16().requires_grad_()
    found = roi_align(half, rois.bfloat16(), 2, 0.25, 0, mode, True)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), expected, rtol=0.05, atol=0.2)
    found.sum().backward()
    assert half.grad.isfinite().all()
