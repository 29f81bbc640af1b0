import math

import torch
from mmcv.ops import roi_pool
from torch.autograd import gradcheck

from tests.compat.operators.recorded import ROIS


def slowly(images, rois, size, scale):
    """Bin by bin; the edges are rounded outwards, and the region ends behind its last pixel."""
    height, width = images.shape[2:]
    out = torch.zeros(len(rois), images.shape[1], *size)
    for r, (image, x1, y1, x2, y2) in enumerate(rois.tolist()):
        step_x = ((x2 + 1) * scale - x1 * scale) / size[1]
        step_y = ((y2 + 1) * scale - y1 * scale) / size[0]
        for i, j in torch.cartesian_prod(*map(torch.arange, size)).tolist():
            top = min(max(math.floor(y1 * scale + i * step_y), 0), height)
            bottom = min(max(math.ceil(y1 * scale + (i + 1) * step_y), 0), height)
            left = min(max(math.floor(x1 * scale + j * step_x), 0), width)
            right = min(max(math.ceil(x1 * scale + (j + 1) * step_x), 0), width)
            if top < bottom and left < right:
                part = images[int(image), :, top:bottom, left:right]
                out[r, :, i, j] = part.flatten(1).max(1).values
    return out


def test_maxima_bin_by_bin():
    torch.manual_seed(0)
    images = torch.randn(2, 3, 7, 9)
    rois = torch.tensor(ROIS)
    found = roi_pool(images, rois, (2, 3), 0.25)
    assert torch.equal(found, slowly(images, rois, (2, 3), 0.25))


def test_a_whole_map():
    image = torch.arange(16.0).view(1, 1, 4, 4)
    found = roi_pool(image, torch.tensor([[0.0, 0, 0, 3, 3]]), 2, 1.0)
    assert found.flatten().tolist() == [5, 7, 13, 15]


def test_gradients():
    torch.manual_seed(1)
    images = torch.randn(2, 3, 7, 9, dtype=torch.double, requires_grad=True)
    rois = torch.tensor(ROIS, dtype=torch.double)
    assert gradcheck(lambda x: roi_pool(x, rois, (2, 3), 0.25), images, fast_mode=True)


def test_no_region_and_regions_outside_or_turned():
    images = torch.randn(1, 2, 4, 4, requires_grad=True)
    assert roi_pool(images, torch.zeros(0, 5), 2, 1.0).shape == (0, 2, 2, 2)
    rois = torch.tensor([[0.0, 9, 9, 12, 12], [0, 3, 3, 1, 1]])
    found = roi_pool(images, rois, 2, 1.0)
    found.sum().backward()
    assert (found == 0).all() and (images.grad == 0).all()
