import pytest
import torch
from mmcv.ops import deform_roi_pool, roi_align
from torch.autograd import gradcheck

from tests.compat.operators.recorded import ROIS


@pytest.mark.parametrize('ratio', [0, 2])
def test_without_offsets_it_is_roi_align(ratio):
    torch.manual_seed(0)
    images = torch.randn(2, 3, 7, 9)
    rois = torch.tensor(ROIS)
    expected = roi_align(images, rois, (2, 3), 0.25, ratio, 'avg', True)
    for offset in (None, torch.zeros(4, 2, 2, 3)):
        found = deform_roi_pool(images, rois, offset, (2, 3), 0.25, ratio, 0.1)
        torch.testing.assert_close(found, expected)


def test_an_offset_moves_a_bin_by_a_part_of_the_region():
    ramp = torch.arange(16.0).expand(1, 1, 16, 16)  # the value is the column
    rois = torch.tensor([[0.0, 2.5, 2.5, 12.5, 7.5]])
    offset = torch.zeros(1, 2, 1, 2)
    offset[0, 0, 0, 1] = 2.0  # the second bin, 2 * 0.1 * 10 pixels to the right
    offset[0, 1] = 5.0  # down: no change on a ramp
    found = deform_roi_pool(ramp, rois, offset, (1, 2), 1.0, 2, 0.1)
    torch.testing.assert_close(found.flatten(), torch.tensor([4.5, 11.5]))


@pytest.mark.parametrize('moved', [False, True])
def test_gradients(moved):
    torch.manual_seed(1)
    images = torch.randn(2, 3, 7, 9, dtype=torch.double, requires_grad=True)
    rois = torch.tensor(ROIS[:2], dtype=torch.double)
    offset = torch.randn(2, 2, 2, 3, dtype=torch.double, requires_grad=True) if moved else None
    given = (images, offset) if moved else (images,)

    def pool(x, offset=None):
        return deform_roi_pool(x, rois, offset, (2, 3), 0.25, 2, 0.1)

    assert gradcheck(pool, given, fast_mode=True)


def test_no_regions():
    images = torch.randn(1, 3, 8, 8, requires_grad=True)
    found = deform_roi_pool(images, torch.zeros(0, 5), None, (2, 2))
    assert found.shape == (0, 3, 2, 2)
    found.sum().backward()
    assert (images.grad == 0).all()
