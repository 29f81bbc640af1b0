"""mmcv's operators take what autocast gives them on a CPU."""

import pytest
import torch

pytest.importorskip('mmcv')
from mmcv.ops import batched_nms, roi_align

import mmrobustprune.engine  # noqa: F401
from mmrobustprune.compat.autocast import in_float32

BOXES = torch.tensor([[0.0, 0, 8, 8], [1, 0, 8, 8], [20, 20, 30, 30]])
SCORES = torch.tensor([0.5, 0.75, 0.25])


@pytest.fixture
def half():
    with torch.autocast('cpu', dtype=torch.bfloat16):
        yield


def test_boxes_of_half_precision_are_suppressed_as_their_equals(half):
    boxes = BOXES.bfloat16()
    kept, places = batched_nms(boxes, SCORES.bfloat16(), torch.zeros(3), dict(iou_threshold=0.5))
    assert places.tolist() == [1, 2] and kept[:, 4].tolist() == [0.75, 0.25]


def test_regions_and_their_gradients_are_those_of_single_precision(half):
    images = torch.arange(64.0).view(1, 1, 8, 8).bfloat16().requires_grad_()
    regions = torch.tensor([[0.0, 0, 0, 4, 4]])
    found = roi_align(images, regions, (2, 2))
    assert found.dtype == torch.float32
    found.sum().backward()
    assert images.grad.dtype == torch.bfloat16
    single = images.detach().float().requires_grad_()
    with torch.autocast('cpu', enabled=False):
        expected = roi_align(single, regions, (2, 2))
        expected.sum().backward()
    assert torch.equal(found, expected)
    assert torch.equal(images.grad, single.grad.bfloat16())


def test_without_autocast_nothing_is_changed():
    seen = []
    wrapped = in_float32(lambda *args, **kwargs: seen.append((args, kwargs)))
    half = torch.ones(2).bfloat16()
    wrapped(half, 3, name=half)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        wrapped(half, 3, name=half)
    dtypes = [(args[0].dtype, kwargs['name'].dtype, args[1]) for args, kwargs in seen]
    assert dtypes == [(torch.bfloat16,) * 2 + (3,), (torch.float32,) * 2 + (3,)]
