"""mmcv's operators take what autocast gives them on a CPU."""

import pytest
import torch

pytest.importorskip('mmcv')
from mmcv.ops import batched_nms, roi_align
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.registry import METRICS
from mmengine.structures import BaseDataElement, InstanceData

import mmrobustprune.engine  # noqa: F401
from mmrobustprune.compat.autocast import widen

BOXES = torch.tensor([[0.0, 0, 8, 8], [1, 0, 8, 8], [20, 20, 30, 30]])
SCORES = torch.tensor([0.5, 0.75, 0.25])


def half():
    return torch.autocast('cpu', dtype=torch.bfloat16)


def test_boxes_of_half_precision_are_suppressed_as_their_equals():
    boxes = BOXES.bfloat16()
    with half():
        kept, places = batched_nms(
            boxes, SCORES.bfloat16(), torch.zeros(3), dict(iou_threshold=0.5)
        )
    assert places.tolist() == [1, 2] and kept[:, 4].tolist() == [0.75, 0.25]


def test_regions_and_their_gradients_are_those_of_single_precision_rounded():
    """In the precision of the images: mmdet writes them into such tensors."""
    images = torch.arange(64.0).view(1, 1, 8, 8).bfloat16().requires_grad_()
    single = images.detach().float().requires_grad_()
    regions = torch.tensor([[0.0, 0, 0, 4, 5]])
    with half():
        found = roi_align(images, regions, (2, 2))
    assert found.dtype == torch.bfloat16
    found.sum().backward()
    expected = roi_align(single, regions, (2, 2))
    expected.sum().backward()
    assert torch.equal(found, expected.bfloat16())
    assert torch.equal(images.grad, single.grad.bfloat16())


def test_metrics_get_predictions_that_numpy_knows():
    found = []

    @METRICS.register_module(force=True)
    class Arrays(BaseMetric):
        """Keeps what it is given, as arrays."""

        def process(self, data_batch, data_samples):
            for sample in data_samples:
                boxes = sample['pred_instances']
                found.append((boxes['scores'].numpy(), boxes['labels'].numpy(), sample['name']))

        def compute_metrics(self, results):
            return {}

    instances = InstanceData(scores=SCORES.bfloat16(), labels=torch.tensor([1, 2, 3]))
    sample = BaseDataElement(metainfo=dict(name='a'), pred_instances=instances)
    Evaluator(dict(type='Arrays')).process([sample, sample.to_dict()], None)
    for scores, labels, name in found:
        assert scores.tolist() == SCORES.tolist() and scores.dtype == 'float32'
        assert labels.dtype == 'int64' and name == 'a'
    assert len(found) == 2 and sample.pred_instances.scores.dtype == torch.bfloat16


class Seen(torch.autograd.Function):
    """Twice the input, and the precisions it met."""

    dtypes: list = []

    @staticmethod
    def forward(ctx, x, places, factor=2):
        Seen.dtypes.append(x.dtype)
        return x * factor, places

    @staticmethod
    def backward(ctx, gradient, _):
        Seen.dtypes.append(gradient.dtype)
        return gradient * 2, None, None


widen(Seen)


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize('autocast', [True, False])
def test_only_half_precision_under_autocast_is_widened(dtype, autocast):
    Seen.dtypes.clear()
    x = torch.ones(2, dtype=dtype, requires_grad=True)
    with torch.autocast('cpu', dtype=torch.bfloat16, enabled=autocast):
        doubled, places = Seen.apply(x, torch.tensor([3]))
    doubled.sum().backward()
    inside = torch.float32 if autocast and dtype == torch.bfloat16 else dtype
    assert Seen.dtypes == [inside, inside]
    assert doubled.dtype == x.grad.dtype == dtype and places.dtype == torch.int64
    assert x.grad.tolist() == [2, 2]
